"""Replays a long trace of the pool in one tight loop: the rules of dispatch, written for numbers.

For a hundred million requests the product's objects take hours. This one gives each call to the
same worker at the same time and has the same models leave, which tests prove on random traces
against `exact.py`; arrivals and memory, which matter less often, are in `fast_room.py`. What it
leaves out is told by `notes`: cores and gateway are never short, no further workers come.
"""

from __future__ import annotations

import gc
import math
from collections import OrderedDict, deque
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

import numpy as np

from mme.planning.fast_ends import Ends
from mme.planning.fast_room import Room
from mme.planning.fast_times import NumberedTimes
from mme.planning.outcome import COLD, REFUSED, WARM
from mme.planning.work import Drawing
from mme.workers.requests import HEAVY_BYTES
from mme.workers.scaling import PATIENCE_S
from mme.workers.times import NEWEST_SHARE, QUICK_S, SLOW_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from mme.planning.costs import Costs
    from mme.planning.machine import Machine
    from mme.planning.tally import Tally
    from mme.planning.trace import Trace

AFTER_WORK = 1 << 60
PART = 200_000
NOTHING = -1
"""Instead of a model: the worker is idle."""
FastCall = tuple[int, int, float, float, float, float, int]
"""Index, model, when it was asked, when it came to the workers, seconds warm and cold, kind."""


class Fast:
    """One replay in mode `pool`. Workers are numbers, in the order they came; sets of them, bits.

    Most calls find an idle worker that has their model, and nobody waits. Those are dealt with in
    `_part` itself, which is why it is long. All others take the ways of dispatch, a method each.
    """

    def __init__(self, names: Sequence[str], costs: Costs, machine: Machine, tally: Tally) -> None:
        self._tally = tally
        self.drawing = drawing = Drawing(names, costs)
        workers = machine.pool[0]
        self._workers = range(workers)
        self._most = machine.resident_models
        self._queue_length = machine.queue_length
        self._resident: list[OrderedDict[int, None]] = [OrderedDict() for _ in range(workers)]
        self.having = [0] * len(names)
        """Model -> the workers that have it, as dispatch knows."""
        self._counts = [0] * workers
        """How many models each has, as dispatch knows."""
        self._idle = (1 << workers) - 1
        self._computed = [NOTHING] * workers
        """The model each computes for."""
        self._began_s = [0.0] * workers
        self._next: list[FastCall | None] = [None] * workers
        self._dropped: list[list[int]] = [[] for _ in range(workers)]
        """The models that left each for what it computes."""
        self._is_plain = bytearray(workers)
        """Whether nothing follows from a worker's answer but that it is idle."""
        self.in_flight = [0] * len(names)
        self._queues: OrderedDict[int, deque[FastCall]] = OrderedDict()
        self._coming: list[tuple[float, int, int]] = [(math.inf, 0, 0)]
        """When, in which order, and which worker is done; -1 and below is for `Room`."""
        self._order = count(1).__next__
        self._times = NumberedTimes(len(names))
        self._is_heavy = drawing.each(lambda cost: cost.mapped_bytes > HEAVY_BYTES)
        self._heavy_workers = max(1, workers // 2)
        self._ends = Ends(tally, costs.overhead_s + costs.return_s)
        self._may_be_slow = False
        self._room = Room(names, costs, machine, tally, self)
        tally.peak_workers = workers

    def run(
        self, chunks: Iterable[Trace], progress: Callable[[int, float], None] | None = None
    ) -> None:
        """Replay all of them."""
        collects = gc.isenabled()
        gc.disable()  # it makes many objects, and none that refer to each other
        try:
            for chunk in chunks:
                self._replay(chunk, progress)
            self._ends.begin(np.zeros(0))
            self._finish()
            self._ends.end(np.zeros(0), np.zeros(0, np.int32))
        finally:
            if collects:
                gc.enable()
        self._tally.busy_s = self._ends.busy_s

    def _replay(self, chunk: Trace, progress: Callable[[int, float], None] | None) -> None:
        work = self.drawing.of(chunk)
        self._may_be_slow = self.drawing.most_s > SLOW_S
        for start in range(0, len(chunk.at_s), PART):
            part = slice(start, start + PART)
            at_s, model, warm_s = chunk.at_s[part], chunk.model[part], work.warm_s[part]
            self._ends.begin(warm_s)
            self._part(at_s.tolist(), model.tolist(), warm_s.tolist(), work.cold_s[part])
            self._ends.end(at_s, model)
            if progress is not None:
                progress(self._ends.base, float(at_s[-1]))

    def notes(self) -> list[str]:
        """What the figures leave out, in words."""
        said = ["cores shared with gateway and admissions slow nothing down"]
        if self.drawing.most_s > PATIENCE_S:
            said.append(
                f"no further workers come, and nobody is spared the wait behind another request,"
                f" though some take {self.drawing.most_s:.3f} s"
            )
        return said

    # ---- the loop

    def _part(
        self, at_s: list[float], model: list[int], warm_s: list[float], cold_s: NDArray[np.float64]
    ) -> None:
        room, queues, length = self._room, self._queues, self._queue_length
        coming, order, in_flight, having = self._coming, self._order, self.in_flight, self.having
        computed, began_s, is_plain = self._computed, self._began_s, self._is_plain
        to_end = [resident.move_to_end for resident in self._resident]
        bits = [1 << worker for worker in self._workers]
        ready, forgets, may_be_short = room.ready, room.forgets, room.may_be_short
        times, average_s, may_be_slow = self._times, self._times.average_s, self._may_be_slow
        touch = room.touch if may_be_short else room.known.move_to_end
        to_noted_end = times.noted.move_to_end
        calls = zip(range(len(at_s)), at_s, model, warm_s, strict=True)
        for place, now_s, asked, takes_s in calls:
            while coming[0][0] <= now_s:
                when_s, _, worker = heappop(coming)
                if worker < 0:
                    room.happens(worker, when_s)
                elif queues or not is_plain[worker]:
                    self._done(worker, when_s)
                else:
                    over = computed[worker]
                    in_flight[over] -= 1
                    computed[worker] = NOTHING
                    self._idle |= bits[worker]
                    took_s, known_s = when_s - began_s[worker], average_s[over]
                    if may_be_slow or known_s < 0:
                        times.note(over, took_s)
                    else:
                        average_s[over] = known_s + NEWEST_SHARE * (took_s - known_s)
                        if times.forgets:
                            to_noted_end(over)
                    if may_be_short:
                        room.used(over, when_s)
            able = having[asked] & self._idle
            if (
                not able
                or queues
                or not ready[asked]
                or in_flight[asked] >= length
                or (may_be_slow and (in_flight[asked] or average_s[asked] > SLOW_S))
            ):
                self._came(place, asked, now_s, takes_s, float(cold_s[place]))
                continue
            if forgets:
                touch(asked)
            in_flight[asked] += 1
            worker = (able & -able).bit_length() - 1
            self._idle ^= bits[worker]
            computed[worker] = asked
            began_s[worker] = now_s
            is_plain[worker] = True
            to_end[worker](asked)
            heappush(coming, (now_s + takes_s, order(), worker))

    def _came(self, place: int, model: int, now_s: float, warm_s: float, cold_s: float) -> None:
        """A call for which there is more to do."""
        self._ends.set_aside(place)
        call = (self._ends.base + place, model, now_s, now_s, warm_s, cold_s, WARM)
        if self._room.ready[model]:
            self._room.touch(model)
            self.submit(call, now_s)
        else:
            self._room.came(call, now_s)

    def _finish(self) -> None:
        """Do what happens until no call is under way."""
        while self._queues or self._room.is_awaited or any(map(NOTHING.__ne__, self._computed)):
            when_s, _, worker = heappop(self._coming)
            if worker >= 0:
                self._done(worker, when_s)
            else:
                self._room.happens(worker, when_s)

    def _begin(self, worker: int, call: FastCall, now_s: float) -> None:
        """A worker computes a call from now on; so it is known what comes of it."""
        index, model, asked_s, _, takes_s, cold_s, kind = call
        bit = 1 << worker
        self._computed[worker] = model
        self._idle &= ~bit
        self._began_s[worker] = now_s
        self._is_plain[worker] = bool(self.having[model] & bit)
        resident = self._resident[worker]
        if model in resident:
            resident.move_to_end(model)
        else:
            takes_s, kind = cold_s, kind or COLD
            dropped = self._dropped[worker]
            while len(resident) >= self._most:
                dropped.append(resident.popitem(last=False)[0])
            resident[model] = None
            self._is_plain[worker] = False
            self._room.loaded(model, dropped, now_s)
        ends_s = now_s + takes_s
        self._ends.busy_s += takes_s
        heappush(self._coming, (ends_s, self._order(), worker))
        self._ends.known(index, model, asked_s, kind, ends_s - asked_s + self._ends.added_s)

    def _done(self, worker: int, now_s: float) -> None:
        """A worker has answered; it goes on with what it has been sent besides."""
        model, bit = self._computed[worker], 1 << worker
        self._times.note(model, now_s - self._began_s[worker])
        self.in_flight[model] -= 1
        if dropped := self._dropped[worker]:
            for other in dropped:
                self.forget(worker, other)
            dropped.clear()
        if not self.having[model] & bit:
            self.having[model] |= bit
            self._counts[worker] += 1
        self._room.used(model, now_s)
        following, self._next[worker] = self._next[worker], None
        if following is None:
            self._computed[worker] = NOTHING
            self._idle |= bit
        else:
            self._begin(worker, following, now_s)
        if self._queues:
            self._give(now_s)

    def worked(self, seconds: float) -> None:
        """A core has computed for so long."""
        self._ends.busy_s += seconds

    def expect(self, at_s: float, what: int, *, is_work: bool = False) -> None:
        """Something is due then; work that ends at the same moment goes first."""
        heappush(self._coming, (at_s, self._order() + (0 if is_work else AFTER_WORK), what))

    def give_up(self, came_until_s: float) -> bool:
        """Refuse who waits for a worker since then; whether others wait."""
        for model, queue in list(self._queues.items()):
            while queue and queue[0][3] <= came_until_s:
                self.in_flight[model] -= 1
                self.refuse(queue.popleft())
            if not queue:
                del self._queues[model]
        return bool(self._queues)

    def forget(self, worker: int, model: int) -> None:
        """Dispatch hears that a worker has let a model go."""
        bit = 1 << worker
        if self.having[model] & bit:
            self.having[model] ^= bit
            self._counts[worker] -= 1

    def models(self) -> set[int]:
        """All that some worker has, and maybe some more."""
        return set().union(*self._resident, *self._dropped)

    def evict(self, model: int) -> int:
        """Have all workers let a model go; returns how many had it."""
        had = 0
        for worker, resident in enumerate(self._resident):
            if self.having[model] >> worker & 1:
                self.forget(worker, model)
                had += resident.pop(model, 0) is None
        return had

    def submit(self, call: FastCall, now_s: float) -> None:
        """A call comes to the workers, from the trace or when its model has arrived."""
        model = call[1]
        if self.in_flight[model] >= self._queue_length:
            self.refuse(call)
            return
        self.in_flight[model] += 1
        if self._idle and not self._queues:
            worker = self._choose(model, now_s)
            if worker >= 0:
                self._begin(worker, call, now_s)
                return
        self._queues.setdefault(model, deque()).append(call)
        self._room.look_later(now_s)
        self._give(now_s)

    def refuse(self, call: FastCall) -> None:
        """A call that is not answered."""
        self._ends.known(call[0], call[1], call[2], REFUSED, 0.0)

    # ---- whose turn it is: as `mme.workers.dispatch` has it

    def _give(self, now_s: float) -> None:
        queues = self._queues
        while True:
            skipped: list[int] = []
            has_given = False
            for _ in range(len(queues)) if self._idle else ():
                model, queue = next(iter(queues.items()))
                worker = self._choose(model, now_s)
                queues.move_to_end(model)
                if worker < 0:
                    skipped.append(model)
                    continue
                has_given = True
                self._begin(worker, queue.popleft(), now_s)
                if not queue:
                    del queues[model]
                if not self._idle:
                    break
            for model in reversed(skipped):
                queues.move_to_end(model, last=False)
            if not (has_given and self._idle and len(skipped) < len(queues)):
                break
        self._give_ahead(now_s)

    def _give_ahead(self, now_s: float) -> None:
        queues = self._queues
        while queues:
            model, queue = next(iter(queues.items()))
            having = self.having[model] & ~self._idle
            if not having or not self._times.is_quick(model):
                return
            for worker in self._workers:
                if having >> worker & 1 and self._may_send_ahead(worker, now_s):
                    break
            else:
                return
            self._next[worker] = queue.popleft()
            self._is_plain[worker] = False
            queues.move_to_end(model)
            if not queue:
                del queues[model]

    def _may_send_ahead(self, worker: int, now_s: float) -> bool:
        """Whether a worker that computes is sent a next call."""
        return (
            self._next[worker] is None
            and now_s - self._began_s[worker] < QUICK_S
            and self._times.is_quick(self._computed[worker])
        )

    def _choose(self, model: int, now_s: float) -> int:
        """The idle worker for the next call of a model; -1: it waits."""
        if self._may_be_slow and self._takes_long(model, now_s) and not self._may_take_slow(now_s):
            return -1
        having, idle = self.having[model], self._idle
        if able := having & idle:
            return (able & -able).bit_length() - 1
        if self._is_heavy[model]:
            loading = sum(1 << each for each in self._workers if self._computed[each] == model)
            if (having | loading).bit_count() >= self._heavy_workers:
                return -1
        return min(
            [worker for worker in self._workers if idle >> worker & 1],
            key=self._counts.__getitem__,
        )

    def _takes_long(self, model: int, now_s: float) -> bool:
        return self._times.is_slow(model) or any(
            computed == model and now_s - began_s > SLOW_S
            for computed, began_s in zip(self._computed, self._began_s, strict=True)
        )

    def _may_take_slow(self, now_s: float) -> bool:
        slow = sum(each >= 0 and self._takes_long(each, now_s) for each in self._computed)
        return slow + 1 < max(len(self._computed), 2)
