"""What graphs of steps have in common: an order to do them in, and errors that name the step.

What a step is and does is for the families that have steps.
"""

from __future__ import annotations

import contextlib
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from models.errors import InternalError, NoRoom, NotConverted, ServingError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


class StepsWait(ValueError):
    """Steps that wait for each other; the message names them."""


class StepFailed(ServingError):
    """A step's error, named after the step; the type is that of the error."""

    def __init__(self, step: str, error: ServingError, status: int) -> None:
        super().__init__(f"Step {step}: {error.message}")
        self.status_code = status
        self._type = error.type

    @property
    def type(self) -> str:
        """As the step's own error has it."""
        return self._type


def in_turn(after: Mapping[str, Iterable[str]]) -> list[str]:
    """The steps, each after those it comes `after`. Raises StepsWait."""
    try:
        return list(TopologicalSorter(after).static_order())
    except CycleError as error:
        path = " <- ".join(error.args[1])
        raise StepsWait(f"steps wait for each other: {path}") from None


@contextlib.contextmanager
def named(step: str, came: type[ServingError] | None = None) -> Iterator[None]:
    """Let errors name the step; those of the class `came` came with the request and are 400s."""
    try:
        yield
    except (NoRoom, NotConverted):
        raise
    except MemoryError as error:
        raise NoRoom(f"Step {step}: there is not enough memory for it") from error
    except ServingError as error:
        has_come = came is not None and isinstance(error, came)
        raise StepFailed(step, error, 400 if has_come else error.status_code) from error
    except Exception as error:
        kind = type(error).__name__
        raise InternalError(
            f"Step {step}: an unexpected {kind} occurred; the log has the details"
        ) from error
