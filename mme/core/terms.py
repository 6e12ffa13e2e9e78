"""What is different for one request from what the settings say for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of one request; None: as the settings say."""

    timeout_s: float | None = None
    """How long the model may take."""
    answer_limit_bytes: int | None = None
    """The largest answer the caller takes."""
    on_part: Callable[[bytes], None] | None = None
    """Gets the pieces of an answer as they come, on the event loop; the answer has the rest."""


PLAIN = Terms()
