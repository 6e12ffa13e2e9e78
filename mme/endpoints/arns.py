"""What resources are called in full: ARNs of a local account, in the region the caller named."""

from __future__ import annotations

from contextvars import ContextVar

ACCOUNT = "000000000000"
REGION: ContextVar[str] = ContextVar("REGION", default="us-east-1")
"""The region of the request under way; the surface sets it."""


def arn_of(kind: str, name: str, service: str = "sagemaker") -> str:
    """The ARN of what is created now: of kind `model`, `endpoint-config`, `transform-job`, ..."""
    return f"arn:aws:{service}:{REGION.get()}:{ACCOUNT}:{kind}/{name}"
