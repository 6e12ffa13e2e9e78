"""Who is resident: the table of models and every rule about its changes, without any I/O.

Each method looks at the table, decides, changes it and returns what must be done outside
(`Unload`). The shell (`residency.py`) does those things and reports back. A target has at most one
*current* model, the one that serves or will; models that were replaced or dismissed are *retiring*
until their last request has ended.

States of a model: loading -> ready -> draining. (Absent and on disk are what the cache knows.)
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mme.core.errors import EndpointError


class State(StrEnum):
    """Where a model stands, in the words of the management API."""

    DOWNLOADING = "downloading"
    ON_DISK = "on-disk"
    WAITING = "waiting-for-memory"
    LOADING = "loading"
    READY = "ready"
    DRAINING = "draining"


@dataclass(slots=True)
class Model:
    """One version of one target model in the model server. Changed by the table only."""

    target: str
    name: str
    version: str
    archive_bytes: int
    unpacked_bytes: int
    state: State
    server_name: str = ""
    """What the model server calls its first worker."""
    in_flight: int = 0
    invocations: int = 0
    pid: int | None = None
    """The worker's process, if it said so."""
    parent_pid: int | None = None
    own_bytes: int = 0
    """Memory that would be free without it, as last measured; of its first worker only."""
    measured_at: int = 0
    """How many invocations it had had by then."""
    uses: float = 0.0
    """Uses, older ones counting for less, as of `used_at_s`."""
    used_at_s: float = 0.0
    """Monotonic."""
    load_s: float | None = None
    loaded_at: float | None = None
    """Wall clock, for people."""
    last_used_at: float | None = None
    """Wall clock, for people."""
    checked_at_s: float = 0.0
    """Monotonic: when the store was last asked for this target's version."""
    details: Mapping[str, object] = field(default_factory=dict)
    """What the worker says of the model it loaded."""


@dataclass(frozen=True, slots=True)
class Unload:
    """To be done: take this model out of the model server; no request uses it any more."""

    model: Model


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed load, remembered until `until_s` (monotonic) so that it is not repeated at once."""

    error: EndpointError
    until_s: float


class ResidencyTable:
    """The models of one model server. Not safe for threads: the event loop owns it."""

    def __init__(self) -> None:
        self._current: dict[str, Model] = {}
        self._retiring: dict[str, Model] = {}
        self._failures: dict[str, Failure] = {}

    def __repr__(self) -> str:
        current = ", ".join(f"{m.target}={m.state}/{m.in_flight}" for m in self._current.values())
        retiring = ", ".join(f"{m.target}/{m.in_flight}" for m in self._retiring.values())
        return f"<ResidencyTable current=[{current}] retiring=[{retiring}]>"

    def __iter__(self) -> Iterator[Model]:
        yield from self._current.values()
        yield from self._retiring.values()

    def get(self, target: str) -> Model | None:
        """The target's current model in whatever state."""
        return self._current.get(target)

    def ready(self, target: str) -> Model | None:
        """The target's current model if it can serve now."""
        model = self._current.get(target)
        return model if model is not None and model.state is State.READY else None

    def grown(self, most: int) -> list[Model]:
        """Up to `most` ready models used so much since they were measured that it is out of date.

        A model grows with its first requests, then hardly.
        """
        due = (
            model
            for model in self._current.values()
            if model.state is State.READY and model.invocations > 2 * model.measured_at
        )
        return list(itertools.islice(due, most))

    def begin(self, model: Model, wall_s: float) -> None:
        """A request is about to use `model`, which must be ready."""
        assert model.state is State.READY, model  # noqa: S101 - a broken caller, not bad input
        model.in_flight += 1
        model.invocations += 1
        model.last_used_at = wall_s

    def end(self, model: Model, wall_s: float) -> list[Unload]:
        """A request has ended; the last one of a retiring model lets it go."""
        model.in_flight -= 1
        model.last_used_at = wall_s
        return self._if_drained(model)

    def loaded(self, model: Model, *, load_s: float, wall_s: float, now_s: float) -> list[Unload]:
        """`model` answers now and takes over from the target's current one, which retires."""
        self._failures.pop(model.target, None)
        replaced = self._current.get(model.target)
        model.state = State.READY
        model.load_s, model.loaded_at, model.checked_at_s = load_s, wall_s, now_s
        self._current[model.target] = model
        if replaced is None or replaced is model:
            return []
        return self._retire(replaced)

    def failed(self, target: str, error: EndpointError, until_s: float) -> None:
        """A load of `target` failed; a model that serves it already goes on serving."""
        self._failures[target] = Failure(error, until_s)

    def failure(self, target: str, now_s: float) -> EndpointError | None:
        """The error of a load that failed a moment ago, if it is still remembered."""
        failure = self._failures.get(target)
        if failure is None:
            return None
        if failure.until_s <= now_s:
            del self._failures[target]
            return None
        return failure.error

    def dismiss(self, model: Model) -> list[Unload]:
        """`model` shall serve no further request; it goes when its last one has ended."""
        if self._current.get(model.target) is model:
            del self._current[model.target]
        return self._retire(model)

    def clear(self) -> None:
        """The model server died: nothing is resident. Running requests end on their own."""
        self._current.clear()
        self._retiring.clear()

    def _retire(self, model: Model) -> list[Unload]:
        if model.state is State.DRAINING:
            return []
        model.state = State.DRAINING
        self._retiring[model.name] = model
        return self._if_drained(model)

    def _if_drained(self, model: Model) -> list[Unload]:
        drained = model.state is State.DRAINING and model.in_flight == 0
        # Popped, so that it is ordered out once only.
        if drained and self._retiring.pop(model.name, None) is model:
            return [Unload(model)]
        return []
