"""Which version of each target serves, and which ones only end what they have; without any I/O.

Each method looks at the table, decides, changes it and returns what must be done outside
(`LetGo`). The shell (`residency.py`) does those things. A target has at most one *current* version;
versions that were replaced or dismissed are *retiring* until their last request has ended. Where a
version is in memory is known to `mme.workers`.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mme.core.artifact import Admitted
    from mme.core.errors import EndpointError

MOST_IDLE = 20_000
"""So many targets are remembered; what an idle one needs to come back is on the disk."""
MOST_FAILURES = 10_000
"""So many are remembered, since anybody may ask for any name."""


@dataclass(eq=False, slots=True)
class Known:
    """One version of one target. Changed by the table only."""

    artifact: Admitted
    checked_at_s: float
    """Monotonic: when the catalog was last asked for this target's version."""
    loaded_at: float
    """Wall clock, for people."""
    in_flight: int = 0
    invocations: int = 0
    last_used_at: float | None = None
    """Wall clock, for people."""

    @property
    def target(self) -> str:
        """The target model."""
        return self.artifact.target


@dataclass(frozen=True, slots=True)
class LetGo:
    """To be done: no request uses this version any more, so it leaves memory."""

    known: Known
    is_superseded: bool
    """Another version has taken its place, so it leaves the disk too."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed arrival, remembered until `until_s` (monotonic): not to be repeated at once."""

    error: EndpointError
    until_s: float


class TargetTable:
    """The targets that were asked for. Not safe for threads: the event loop owns it."""

    def __init__(self, most_idle: int = MOST_IDLE, most_failures: int = MOST_FAILURES) -> None:
        self._most_idle = most_idle
        self._most_failures = most_failures
        self._current: OrderedDict[str, Known] = OrderedDict()
        self._retiring: dict[str, Known] = {}
        """By name."""
        self._in_use: dict[str, int] = {}
        """Requests under way by name, which records of one version admitted anew share."""
        self._failures: dict[str, Failure] = {}

    def __iter__(self) -> Iterator[Known]:
        yield from self._current.values()
        yield from self._retiring.values()

    def __len__(self) -> int:
        return len(self._current)

    def current(self, target: str) -> Known | None:
        """The version that serves."""
        return self._current.get(target)

    def uses(self, name: str) -> bool:
        """Whether requests are under way to the version of that name, or it is on its way out."""
        return name in self._retiring or name in self._in_use

    def begin(self, known: Known, wall_s: float) -> None:
        """A request is about to use a version."""
        name = known.artifact.name
        self._in_use[name] = self._in_use.get(name, 0) + 1
        known.in_flight += 1
        known.invocations += 1
        known.last_used_at = wall_s
        if self._current.get(known.target) is known:
            self._current.move_to_end(known.target)

    def end(self, known: Known, wall_s: float) -> list[LetGo]:
        """A request has ended; the last one of a retiring version lets it go."""
        name = known.artifact.name
        self._in_use[name] -= 1
        if not self._in_use[name]:
            del self._in_use[name]
        known.in_flight -= 1
        known.last_used_at = wall_s
        return self._if_drained(name)

    def arrived(self, artifact: Admitted, now_s: float, wall_s: float) -> list[LetGo]:
        """A version is on this disk and serves from now on; the one before it retires."""
        self._failures.pop(artifact.target, None)
        # It may have been on its way out, and is back.
        self._retiring.pop(artifact.name, None)
        replaced = self._current.pop(artifact.target, None)
        if replaced is not None and replaced.artifact == artifact:
            replaced.checked_at_s = now_s
            self._current[artifact.target] = replaced
            return []
        self._forget_idle()
        self._current[artifact.target] = Known(artifact, now_s, wall_s)
        if replaced is None or replaced.artifact.name == artifact.name:
            return []
        return self._retire(replaced)

    def failed(self, target: str, error: EndpointError, until_s: float) -> None:
        """An arrival failed; a version that serves already goes on serving."""
        self._failures.pop(target, None)
        if len(self._failures) >= self._most_failures:
            del self._failures[next(iter(self._failures))]
        self._failures[target] = Failure(error, until_s)

    def failure(self, target: str, now_s: float) -> EndpointError | None:
        """The error of an arrival that failed a moment ago, if it is still remembered."""
        failure = self._failures.get(target)
        if failure is None:
            return None
        if failure.until_s <= now_s:
            del self._failures[target]
            return None
        return failure.error

    def forgive(self, target: str) -> None:
        """The failure of a target is no reason not to try at once."""
        self._failures.pop(target, None)

    def dismiss(self, known: Known) -> list[LetGo]:
        """A version shall serve no further request; it goes when its last one has ended."""
        if self._current.get(known.target) is not known:
            return []
        del self._current[known.target]
        return self._retire(known)

    def forget(self, known: Known) -> None:
        """A version is not on this disk any more: the next request brings it in."""
        if self._current.get(known.target) is known:
            del self._current[known.target]

    def _retire(self, known: Known) -> list[LetGo]:
        self._retiring[known.artifact.name] = known
        return self._if_drained(known.artifact.name)

    def _if_drained(self, name: str) -> list[LetGo]:
        if name in self._in_use:
            return []
        known = self._retiring.pop(name, None)
        if known is None:
            return []
        return [LetGo(known, is_superseded=known.target in self._current)]

    def _forget_idle(self) -> None:
        """Make room for one more."""
        if len(self._current) < self._most_idle:
            return
        for target, known in self._current.items():
            if not known.in_flight:
                del self._current[target]
                return
