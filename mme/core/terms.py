"""What is different for one request from what the settings say for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mme.core.parts import Parts


@dataclass(slots=True)
class Errands:
    """What ensembles may still ask of others on behalf of one request, all together."""

    asks: int = 256
    """So often. Each of four ensembles with 64 steps could ask the next one 64 times."""
    spare_bytes: int = 20 * 1024 * 1024
    """So much may be held of what has been answered."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of one request; None: as the settings say."""

    timeout_s: float | None = None
    """How long the model may take."""
    answer_limit_bytes: int | None = None
    """The largest answer the caller takes."""
    parts: Parts | None = None
    """Gets the pieces of an answer as they come; the answer has the rest. None: it comes whole."""
    request_id: str = ""
    """What the log calls it."""
    may_ask: bool = False
    """Whether an ensemble may answer with what its steps ask of other target models."""
    depth: int = 0
    """How many ensembles ask on behalf of each other."""
    errands: Errands | None = None
    """Of the ensembles that ask on behalf of each other; None: nobody asks yet."""


PLAIN = Terms()
