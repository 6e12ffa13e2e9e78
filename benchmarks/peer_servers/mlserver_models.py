"""The models as MLServer has them: one that does nothing, and DocSim."""

from __future__ import annotations

from typing import Any

import docsim  # type: ignore[import-not-found]
from mlserver import MLModel
from mlserver.types import (
    InferenceResponse,
    ResponseOutput,
)


class Noop(MLModel):  # type: ignore[misc]
    """Answers every request with the same text."""

    async def load(self) -> bool:
        """Nothing is loaded."""
        return True

    async def predict(self, payload: Any) -> Any:  # noqa: ARG002 - MLServer's signature
        """One answer."""
        return self._said("ok")

    def _said(self, text: str) -> Any:
        output = ResponseOutput(name="OUT", shape=[1], datatype="BYTES", data=[text])
        return InferenceResponse(model_name=self.name, outputs=[output])


class DocSim(Noop):
    """One artifact."""

    async def load(self) -> bool:
        """Load the artifact that the settings name."""
        self.vectors = docsim.load(self.settings.parameters.uri)
        return True

    async def predict(self, payload: Any) -> Any:
        """One answer."""
        text = payload.inputs[0].data[0]
        said = text if isinstance(text, str) else bytes(text).decode()
        return self._said(docsim.answer(self.vectors, said))
