"""DocSim for Triton's Python back end; copied into a model repository beside `docsim.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import docsim  # type: ignore[import-not-found]
import numpy as np
import triton_python_backend_utils as pb  # type: ignore[import-not-found]


class TritonPythonModel:
    """One artifact."""

    def initialize(self, args: Any) -> None:  # noqa: ARG002 - Triton's signature
        """Load the artifact whose path lies beside this file."""
        self.vectors = docsim.load(Path(__file__).with_name("artifact").read_text())

    def execute(self, requests: list[Any]) -> list[Any]:
        """One answer a request."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        (text,) = pb.get_input_tensor_by_name(request, "IN").as_numpy()
        score = docsim.answer(self.vectors, text.decode()).encode()
        return pb.InferenceResponse([pb.Tensor("OUT", np.array([score], dtype=object))])
