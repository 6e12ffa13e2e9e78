"""What all kinds of requests share: one answer in two forms, scores as numbers, limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np


@dataclass(frozen=True, slots=True)
class Answer:
    """As JSON, and as the rows of a CSV."""

    json: object
    rows: Sequence[Sequence[object]]


def as_number(score: np.float32) -> float:
    """The shortest decimal that is this float32: 0.8743472, not 0.8743472099304199."""
    return float(str(score))


def check_number(count: int, what: str, maximum: int) -> None:
    """Refuse more than `maximum` of something."""
    if count > maximum:
        raise BadInput(f"{count} {what} are too many; at most {maximum} are taken at once")
