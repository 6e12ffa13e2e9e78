"""What a control-plane operation is: a request in botocore's shapes, an answer in them, an error.

How both look on the wire is the gateway's business.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from mme.core.errors import EndpointError

Operation: TypeAlias = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
"""Gets a request that the service's own model has found valid; times are aware datetimes."""


class ControlPlaneError(EndpointError):
    """An error of the control plane; `code` is the service's word for its kind."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.args = (code, message)

    def __str__(self) -> str:
        return self.message
