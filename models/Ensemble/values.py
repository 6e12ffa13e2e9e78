"""Values between steps: JSON that is small enough, shallow enough, and can be sent.

Arrays of tensor steps are values too; `arrays` makes lists of them where something needs lists.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from models.errors import ServingError, shorten

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_BYTES = 5 * 1024 * 1024
"""The most that goes from one step to others, about as JSON has it."""
MAX_DEPTH = 64
MAX_ITEMS = 10_000
"""The most items of a list that is gone through item by item."""


class UnusableValue(ServingError):
    """A value no step can pass on; the message says why."""

    status = 500


class TooMuchBetweenSteps(ServingError):
    """More than MAX_BYTES between two steps."""

    status = 413

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is larger than {MAX_BYTES} bytes, the most between two steps")


def check_items(count: int, what: str) -> None:
    """Refuse to go through more than MAX_ITEMS."""
    if count > MAX_ITEMS:
        raise UnusableValue(f"{what} has {count} items; at most {MAX_ITEMS} are gone through")


def check_value(value: object, what: str) -> None:
    """Raise TooMuchBetweenSteps or UnusableValue; ends as soon as it is too large."""
    check_values([value], what)


def check_values(values: Iterable[object], what: str) -> None:
    """As `check_value`, of all values together, each taken when it is its turn."""
    left = MAX_BYTES
    for value in values:
        # By hand: a value may be deeper than Python's calls may be.
        waiting = [(value, 0)]
        while waiting:
            each, depth = waiting.pop()
            left -= _own_bytes(each, what)
            if left < 0:
                raise TooMuchBetweenSteps(what)
            if depth > MAX_DEPTH:
                raise UnusableValue(f"{what} is nested more than {MAX_DEPTH} deep")
            match each:
                case list():
                    if len(each) > left:
                        raise TooMuchBetweenSteps(what)
                    waiting += [(item, depth + 1) for item in each]
                case dict():
                    left -= sum(_own_bytes(key, what) for key in each)
                    waiting += [(item, depth + 1) for item in each.values()]


def _own_bytes(value: object, what: str) -> int:
    """What a value takes without those in it. Raises UnusableValue."""
    match value:
        case str():
            try:
                return len(value.encode()) + 3
            except UnicodeEncodeError as error:
                found = f"U+{ord(value[error.start]):04X}"
                raise UnusableValue(f"{what} holds {found} in {shorten(value, 60)}") from None
        case float() if not math.isfinite(value):
            raise UnusableValue(f"{what} holds a number that is not finite")
        case bool() | None | float():
            return 8
        case int():
            return 2 + value.bit_length() // 3
        case np.ndarray() if value.dtype == object:
            return sum(len(each) + 3 for each in value.ravel())
        case np.ndarray():
            return int(value.nbytes)
        case _:
            return 2
