"""The book of memory and tasks: what is promised, what is leaving, what models took last time.

It fills the time between two readings: a load that has begun and a model that is on its way out are
not yet in the kernel's numbers. It knows no models: callers give those that may leave as
candidates. Decisions are `watermarks.py`'s; ending models, and waiting for that, is up to the
caller.
"""

from __future__ import annotations

import fnmatch
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from mme.memory.amount import Amount, total
from mme.memory.policy import POLICIES
from mme.memory.prediction import FRONT_END_BYTES, LAUNCHER_BYTES, predicted
from mme.memory.processes import own_bytes
from mme.memory.readings import Reading
from mme.memory.watermarks import (
    Decision,
    Stock,
    Watermarks,
    in_words,
    is_short,
    make_room,
    relieve,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from mme.memory.policy import Candidate

MOST_KNOWN = 10_000
"""How many models' last measures are kept."""


class MemoryBook:
    """The endpoint's book. Not safe for threads: the event loop owns it.

    `policy` is a key of POLICIES, `pins` are patterns of target models that stay.
    """

    def __init__(
        self,
        marks: Watermarks,
        read_bytes: Callable[[], Reading],
        read_tasks: Callable[[], Reading],
        *,
        policy: str = "worth",
        pins: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
        process_bytes: Callable[[int, int], int] = own_bytes,
    ) -> None:
        self._marks = marks
        self._read_bytes = read_bytes
        self._read_tasks = read_tasks
        self._policy = POLICIES[policy]
        self._pins = tuple(pins)
        self.pinned: set[str] = set()
        """Targets that stay, beside those that the patterns mean."""
        self._clock = clock
        self._process_bytes = process_bytes
        self._known_bytes: dict[str, int] = {}
        self._promised: dict[str, Amount] = {}
        self._leaving: dict[str, Amount] = {}

    def reading(self) -> Reading:
        """Memory now, with what is promised and less what is leaving."""
        return self._stock().bytes

    def tasks(self) -> Reading:
        """Tasks now, with what is promised and less what is leaving."""
        return self._stock().tasks

    @property
    def marks(self) -> Watermarks:
        """The shares of the memory between which it is kept."""
        return self._marks

    def is_pinned(self, target: str) -> bool:
        """Whether the operator wants this target to stay."""
        return target in self.pinned or self.is_pinned_by_pattern(target)

    def count_pinned(self, targets: Collection[str]) -> int:
        """How many of these stay."""
        if not self._pins:
            return sum(target in targets for target in self.pinned)
        return sum(map(self.is_pinned, targets))

    def is_pinned_by_pattern(self, target: str) -> bool:
        """Whether one of the patterns given at the start means it."""
        return any(fnmatch.fnmatchcase(target, pattern) for pattern in self._pins)

    def worker_bytes(self, pid: int, born_bytes: int) -> int:
        """What would be free without the own-process worker `pid`; 0 if it has ended.

        `born_bytes` was its anonymous memory when it came.

        Reads the process's maps, which may take milliseconds. May run in a thread.
        """
        worker = self._process_bytes(pid, born_bytes)
        return worker + LAUNCHER_BYTES + FRONT_END_BYTES if worker else 0

    def learn(self, name: str, own_bytes: int) -> None:
        """Remember what a model took, for its next load; 0 says nothing."""
        if own_bytes > 0:
            self._known_bytes.pop(name, None)
            self._known_bytes[name] = own_bytes
            if len(self._known_bytes) > MOST_KNOWN:
                del self._known_bytes[next(iter(self._known_bytes))]

    def needed(self, name: str, unpacked_bytes: int) -> Amount:
        """What a worker of its own for this model is expected to take."""
        return predicted(self._known_bytes.get(name), unpacked_bytes)

    def has_spare(self, needed: Amount) -> bool:
        """Whether that fits without any model leaving."""
        return make_room(self._stock(), self._marks, needed, (), self._clock()).fits

    def fits_alone(self, needed: Amount) -> bool:
        """Whether that would fit if nothing at all were used: else it never will."""
        empty = Stock(replace(self._read_bytes(), used=0), replace(self._read_tasks(), used=0))
        return make_room(empty, self._marks, needed, (), self._clock()).fits

    def decide(self, needed: Amount, candidates: Iterable[Candidate]) -> Decision:
        """Whether that fits, and which of the candidates must leave for it."""
        stock, now_s = self._stock(), self._clock()
        free = make_room(stock, self._marks, needed, (), now_s)
        if free.fits:
            return free
        in_order = self._policy(list(candidates), now_s)
        return make_room(stock, self._marks, needed, in_order, now_s)

    def relieve(self, candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
        """Which of the candidates must leave because there is too little as it is."""
        stock = self._stock()
        if not is_short(stock, self._marks):
            return ()
        return relieve(stock, self._marks, self._policy(list(candidates), self._clock()))

    def is_short(self) -> bool:
        """Whether more is used than shall be."""
        return is_short(self._stock(), self._marks)

    def why_short(self) -> str:
        """What is short, in words."""
        return in_words(self._stock(), self._marks)

    def least_valuable(self, candidates: Iterable[Candidate]) -> Candidate | None:
        """The candidate that would leave first, used a moment ago or not."""
        in_order = self._policy(list(candidates), self._clock())
        return in_order[0] if in_order else None

    @property
    def has_promises(self) -> bool:
        """Whether a load is under way."""
        return bool(self._promised)

    def promise(self, key: str, needed: Amount) -> None:
        """A load has begun; call `kept` when it has ended."""
        self._promised[key] = needed

    def kept(self, key: str) -> None:
        """The load has ended, one way or the other: the kernel's numbers know."""
        self._promised.pop(key, None)

    def leaves(self, key: str, amount: Amount) -> None:
        """Something is on its way out; call `left` when its processes are gone."""
        self._leaving[key] = amount

    def left(self, key: str) -> None:
        """It is out."""
        self._leaving.pop(key, None)

    def _stock(self) -> Stock:
        promised, leaving = total(self._promised.values()), total(self._leaving.values())
        in_bytes, in_tasks = self._read_bytes(), self._read_tasks()
        used_bytes = max(0, in_bytes.used + promised.bytes - leaving.bytes)
        used_tasks = max(0, in_tasks.used + promised.tasks - leaving.tasks)
        return Stock(Reading(in_bytes.limit, used_bytes), Reading(in_tasks.limit, used_tasks))
