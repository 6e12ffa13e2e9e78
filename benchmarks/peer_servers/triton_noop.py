"""A model of Triton's Python back end that does nothing; copied into a model repository."""

from __future__ import annotations

from typing import Any

import numpy as np
import triton_python_backend_utils as pb  # type: ignore[import-not-found]


class TritonPythonModel:
    """Answers every request with the same bytes."""

    def initialize(self, args: Any) -> None:
        """Nothing is loaded."""

    def execute(self, requests: list[Any]) -> list[Any]:
        """One answer a request."""
        out = pb.Tensor("OUT", np.array([b"ok"], dtype=object))
        return [pb.InferenceResponse(output_tensors=[out]) for _ in requests]
