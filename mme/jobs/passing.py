"""Which errors are worth another try after a while."""

from __future__ import annotations

from mme.core.errors import (
    Busy,
    ModelNotReady,
    NoDiskSpace,
    Overloaded,
    ShuttingDown,
    StoreUnavailable,
)

PASSING = (Busy, ModelNotReady, NoDiskSpace, Overloaded, ShuttingDown, StoreUnavailable)
"""What may be otherwise then, and is no word of the model."""
