"""Room in memory: what models cost, what is promised to loads, and asking the governor.

Keeps the books between two readings: a load that has begun and a model that is on its way out are
not yet in the kernel's numbers. Leaves dismissing models and waiting to the shell.
"""

from __future__ import annotations

import fnmatch
import time
from typing import TYPE_CHECKING

from mme.core.memory import MemoryReading, own_bytes
from mme.residency.governor import Decision, Watermarks, make_room, predicted_bytes, relieve
from mme.residency.policy import POLICIES, Candidate, decayed
from mme.residency.table import Model, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mme.core.settings import Settings

MIB = 1024 * 1024
LAUNCHER_BYTES = MIB // 8
FRONT_END_BYTES = MIB // 2
"""What the waiting process and the front end's threads and buffers for one model come to."""


class Room:
    """The endpoint's memory book. Not safe for threads: the event loop owns it."""

    def __init__(
        self,
        settings: Settings,
        read: Callable[[], MemoryReading],
        *,
        clock: Callable[[], float] = time.monotonic,
        process_bytes: Callable[[int], int] = own_bytes,
    ) -> None:
        self._marks = Watermarks(settings.memory_high, settings.memory_low, settings.settle_s)
        self._policy = POLICIES[settings.eviction]
        self._pins = settings.pin
        self._spawned = settings.workers == "spawn"
        self._read = read
        self._clock = clock
        self._process_bytes = process_bytes
        self._known: dict[str, int] = {}
        self._promised: dict[str, int] = {}
        self._leaving: dict[str, int] = {}

    def reading(self) -> MemoryReading:
        """The kernel's reading, with what is promised and less what is leaving."""
        seen = self._read()
        used = seen.used_bytes + sum(self._promised.values()) - sum(self._leaving.values())
        return MemoryReading(seen.limit_bytes, max(0, used))

    def is_pinned(self, target: str) -> bool:
        """Whether the operator wants this target to stay."""
        return any(fnmatch.fnmatchcase(target, pattern) for pattern in self._pins)

    def measure(self, model: Model) -> None:
        """Read what a loaded model owns, and remember it for its next load. May run in a thread."""
        model.measured_at = model.invocations
        owned = self.cost(model)
        if owned:
            model.own_bytes = self._known[model.name] = owned

    def cost(self, model: Model) -> int:
        """What the worker that loaded `model` owns, and what is beside it; 0 if it is gone."""
        worker = self._process_bytes(model.pid) if model.pid is not None else 0
        if worker == 0:
            return 0
        beside = self._process_bytes(model.parent_pid or 0) if self._spawned else LAUNCHER_BYTES
        return worker + beside + FRONT_END_BYTES

    def has_spare(self, model: Model) -> bool:
        """Whether one more worker for `model` fits without anybody leaving."""
        needed = self.needed(model.name, model.unpacked_bytes)
        return make_room(self.reading(), self._marks, needed, (), self._clock()).fits

    def is_short(self) -> bool:
        """Whether more is used than shall be."""
        return self.reading().used_share > self._marks.high

    def needed(self, name: str, unpacked_bytes: int) -> int:
        """What a load is expected to take."""
        return predicted_bytes(self._known.get(name), unpacked_bytes)

    def decide(self, needed_bytes: int, models: Iterable[Model]) -> Decision:
        """Whether `needed_bytes` fit, and who must leave for it."""
        now_s = self._clock()
        in_order = self._policy(self._candidates(models), now_s)
        return make_room(self.reading(), self._marks, needed_bytes, in_order, now_s)

    def relieve(self, models: Iterable[Model]) -> tuple[Candidate, ...]:
        """Who must leave because memory is short as it is."""
        reading = self.reading()
        if reading.used_share <= self._marks.high:
            return ()
        in_order = self._policy(self._candidates(models), self._clock())
        return relieve(reading, self._marks, in_order)

    def least_valuable(self, models: Iterable[Model]) -> Candidate | None:
        """Whoever would leave first, settled or not."""
        in_order = self._policy(self._candidates(models), self._clock())
        return in_order[0] if in_order else None

    @property
    def has_promises(self) -> bool:
        """Whether a load is under way."""
        return bool(self._promised)

    def promise(self, name: str, needed_bytes: int) -> None:
        """A load has begun; call `kept` when it has ended."""
        self._promised[name] = needed_bytes

    def kept(self, name: str) -> None:
        """The load has ended, one way or the other: the kernel's numbers know."""
        self._promised.pop(name, None)

    def leaves(self, model: Model) -> None:
        """A model is on its way out; call `left` when its processes are gone."""
        self._leaving[model.name] = model.own_bytes

    def left(self, name: str) -> None:
        """The model is out."""
        self._leaving.pop(name, None)

    def used(self, model: Model) -> None:
        """Count a use of the model."""
        now_s = self._clock()
        model.uses = decayed(model.uses, now_s - model.used_at_s) + 1.0
        model.used_at_s = now_s

    def _candidates(self, models: Iterable[Model]) -> list[Candidate]:
        return [
            Candidate(
                name=model.name,
                own_bytes=model.own_bytes,
                load_s=model.load_s or 0.0,
                last_used_s=model.used_at_s,
                uses=model.uses,
            )
            for model in models
            if model.state is State.READY
            and model.in_flight == 0
            and not self.is_pinned(model.target)
        ]
