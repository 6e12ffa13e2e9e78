"""Replays a long trace of the pool in one tight loop: the rules of dispatch, written for numbers.

For a hundred million requests the product's objects take hours. This one gives each call to the
same worker at the same time and has the same models leave, which tests prove on random traces
against `exact.py`; arrivals and memory, which matter less often, are in `fast_room.py`. What it
leaves out is told by `notes`: cores and gateway are never short, no further workers come.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from heapq import heappop, heappush
from typing import TYPE_CHECKING

import numpy as np

from mme.planning.fast_room import Room
from mme.planning.outcome import COLD, REFUSED, WARM
from mme.planning.work import Drawing
from mme.workers.requests import HEAVY_BYTES
from mme.workers.scaling import PATIENCE_S
from mme.workers.times import QUICK_S, SLOW_S, ModelTimes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from mme.planning.costs import Costs
    from mme.planning.machine import Machine
    from mme.planning.tally import Tally
    from mme.planning.trace import Trace

PENDING = 4
"""Instead of a kind, while it is not known."""
AFTER_WORK = 1 << 60
PART = 200_000
FastCall = tuple[int, int, float, float, float, float, int]
"""Index, model, when it was asked, when it came to the workers, seconds warm and cold, kind."""


class Fast:
    """One replay in mode `pool`. Workers are numbers, in the order they came."""

    def __init__(self, names: Sequence[str], costs: Costs, machine: Machine, tally: Tally) -> None:
        self._names = names
        self._tally = tally
        self.drawing = drawing = Drawing(names, costs)
        workers = machine.pool[0]
        self._most = machine.resident_models
        self._queue_length = machine.queue_length
        self._added_s = costs.overhead_s + costs.return_s
        self._resident: list[OrderedDict[int, None]] = [OrderedDict() for _ in range(workers)]
        self.having = [0] * len(names)
        """Model -> the workers that have it, as dispatch knows: a bit for each."""
        self._counts = [0] * workers
        """How many models each has, as dispatch knows."""
        self._calls: list[FastCall | None] = [None] * workers
        self._next: list[FastCall | None] = [None] * workers
        self._began_s = [0.0] * workers
        self._dropped: list[list[int]] = [[] for _ in range(workers)]
        """The models that left each for what it computes."""
        self.in_flight = [0] * len(names)
        self._queues: OrderedDict[int, deque[FastCall]] = OrderedDict()
        self._coming: list[tuple[float, int, int]] = []
        """When, in which order, and which worker is done; -1 and below is for `Room`."""
        self._order = 0
        self._times = ModelTimes()
        self._is_heavy = drawing.each(lambda cost: cost.mapped_bytes > HEAVY_BYTES)
        self._heavy_workers = max(1, workers // 2)
        self._over: list[tuple[int, float, int, int, float]] = []
        """Calls of earlier parts, as they become known."""
        self._base = 0
        """The index of the first request of this part."""
        self._kinds = bytearray()
        self._latencies: list[float] = []
        self._busy_s = 0.0
        self._may_be_slow = drawing.most_s > SLOW_S
        self._has_rules = self._may_be_slow or any(self._is_heavy)
        """Whether a call may have to wait though a worker is idle."""
        self._room = Room(names, costs, machine, tally, self)
        tally.peak_workers = workers

    def run(
        self, chunks: Iterable[Trace], progress: Callable[[int, float], None] | None = None
    ) -> None:
        """Replay all of them."""
        for chunk in chunks:
            work = self.drawing.of(chunk)
            for start in range(0, len(chunk.at_s), PART):
                part = slice(start, start + PART)
                at_s, model = chunk.at_s[part], chunk.model[part]
                self._part(
                    at_s.tolist(),
                    model.tolist(),
                    work.warm_s[part].tolist(),
                    work.cold_s[part].tolist(),
                )
                self._flush(at_s, model)
                if progress is not None:
                    progress(self._base, float(at_s[-1]))
        self._finish()
        self._flush(np.zeros(0), np.zeros(0, np.int32))
        self._tally.busy_s = self._busy_s

    def notes(self) -> list[str]:
        """What the figures leave out, in words."""
        said = ["cores shared with gateway and admissions slow nothing down"]
        if self.drawing.most_s > PATIENCE_S:
            said.append(
                f"no further workers come, though some requests take {self.drawing.most_s:.3f} s"
            )
        return said

    # ---- the loop

    def _part(
        self, at_s: list[float], model: list[int], warm_s: list[float], cold_s: list[float]
    ) -> None:
        coming, ready, in_flight, calls = (
            self._coming,
            self._room.ready,
            self.in_flight,
            self._calls,
        )
        room = self._room
        queues, length, base = self._queues, self._queue_length, self._base
        self._kinds, self._latencies = bytearray(len(at_s)), [0.0] * len(at_s)
        index = base
        for now_s, asked, warm, cold in zip(at_s, model, warm_s, cold_s, strict=True):
            while coming and coming[0][0] <= now_s:
                when_s, _, worker = heappop(coming)
                if worker >= 0:
                    self._done(worker, when_s)
                else:
                    self._room.happens(worker, when_s)
            call = (index, asked, now_s, now_s, warm, cold, WARM)
            index += 1
            if not ready[asked]:
                self._kinds[index - 1 - base] = PENDING
                self._room.came(call, now_s)
            elif in_flight[asked] >= length:
                self._kinds[index - 1 - base] = REFUSED
                room.touch(asked)
            elif queues or self._has_rules or None not in calls:
                self._kinds[index - 1 - base] = PENDING
                self.submit(call, now_s)
            else:
                in_flight[asked] += 1
                idle = [worker for worker, each in enumerate(calls) if each is None]
                worker = self._choose(asked, idle, now_s)
                self._begin(worker, call, now_s)

    def _finish(self) -> None:
        """Do what happens until no call is under way."""
        while self._queues or self._room.is_awaited or self._calls.count(None) < len(self._calls):
            when_s, _, worker = heappop(self._coming)
            if worker >= 0:
                self._done(worker, when_s)
            else:
                self._room.happens(worker, when_s)

    def _begin(self, worker: int, call: FastCall, now_s: float) -> None:
        """A worker computes a call from now on; so it is known what comes of it."""
        index, model, asked_s, _, takes_s, cold_s, kind = call
        self._calls[worker] = call
        self._began_s[worker] = now_s
        resident = self._resident[worker]
        if model in resident:
            resident.move_to_end(model)
        else:
            takes_s, kind = cold_s, kind or COLD
            dropped = self._dropped[worker]
            while len(resident) >= self._most:
                dropped.append(resident.popitem(last=False)[0])
            resident[model] = None
            self._room.loaded(model, dropped, now_s)
        ends_s = now_s + takes_s
        self._busy_s += takes_s
        self._order += 1
        heappush(self._coming, (ends_s, self._order, worker))
        self._known(index, model, asked_s, kind, ends_s - asked_s + self._added_s)

    def _done(self, worker: int, now_s: float) -> None:
        """A worker has answered; it goes on with what it has been sent besides."""
        call = self._calls[worker]
        if call is None:
            return
        model, bit = call[1], 1 << worker
        self._times.note(self._names[model], now_s - self._began_s[worker])
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
            self._calls[worker] = None
        else:
            self._begin(worker, following, now_s)
        if self._queues:
            self._give(now_s)

    def worked(self, seconds: float) -> None:
        """A core has computed for so long."""
        self._busy_s += seconds

    def expect(self, at_s: float, what: int, *, is_work: bool = False) -> None:
        """Something is due then; work that ends at the same moment goes first."""
        self._order += 1
        heappush(self._coming, (at_s, self._order + (0 if is_work else AFTER_WORK), what))

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
        if self.in_flight[call[1]] >= self._queue_length:
            self._known(call[0], call[1], call[2], REFUSED, 0.0)
            return
        self.in_flight[call[1]] += 1
        self._queues.setdefault(call[1], deque()).append(call)
        self._room.look_later(now_s)
        self._give(now_s)

    def refuse(self, call: FastCall) -> None:
        """A call that has waited for too long."""
        self._known(call[0], call[1], call[2], REFUSED, 0.0)

    # ---- whose turn it is: as `mme.workers.dispatch` has it

    def _give(self, now_s: float) -> None:
        queues = self._queues
        while True:
            idle = [worker for worker, call in enumerate(self._calls) if call is None]
            skipped: list[int] = []
            has_given = False
            for _ in range(len(queues)) if idle else ():
                model, queue = next(iter(queues.items()))
                worker = self._choose(model, idle, now_s)
                queues.move_to_end(model)
                if worker < 0:
                    skipped.append(model)
                    continue
                idle.remove(worker)
                has_given = True
                self._begin(worker, queue.popleft(), now_s)
                if not queue:
                    del queues[model]
                if not idle:
                    break
            for model in reversed(skipped):
                queues.move_to_end(model, last=False)
            if not (has_given and idle and len(skipped) < len(queues)):
                break
        self._give_ahead(now_s)

    def _give_ahead(self, now_s: float) -> None:
        queues = self._queues
        while queues:
            model, queue = next(iter(queues.items()))
            having = self.having[model]
            if not having or not self._times.is_quick(self._names[model]):
                return
            worker = next(
                (
                    each
                    for each in range(len(self._calls))
                    if having >> each & 1 and self._may_send_ahead(each, now_s)
                ),
                -1,
            )
            if worker < 0:
                return
            self._next[worker] = queue.popleft()
            queues.move_to_end(model)
            if not queue:
                del queues[model]

    def _may_send_ahead(self, worker: int, now_s: float) -> bool:
        call = self._calls[worker]
        return (
            call is not None
            and self._next[worker] is None
            and now_s - self._began_s[worker] < QUICK_S
            and self._times.is_quick(self._names[call[1]])
        )

    def _choose(self, model: int, idle: list[int], now_s: float) -> int:
        """The worker for the next call of a model; -1: it waits."""
        if self._may_be_slow and self._takes_long(model, now_s) and not self._may_take_slow(now_s):
            return -1
        having = self.having[model]
        if having:
            for worker in idle:
                if having >> worker & 1:
                    return worker
        if self._is_heavy[model]:
            loading = sum(
                1 << worker
                for worker, call in enumerate(self._calls)
                if call is not None and call[1] == model
            )
            if (having | loading).bit_count() >= self._heavy_workers:
                return -1
        return min(idle, key=self._counts.__getitem__)

    def _takes_long(self, model: int, now_s: float) -> bool:
        return self._times.is_slow(self._names[model]) or any(
            call is not None and call[1] == model and now_s - began_s > SLOW_S
            for call, began_s in zip(self._calls, self._began_s, strict=True)
        )

    def _may_take_slow(self, now_s: float) -> bool:
        slow = sum(call is not None and self._takes_long(call[1], now_s) for call in self._calls)
        return slow + 1 < max(len(self._calls), 2)

    # ---- what is known

    def _known(self, index: int, model: int, asked_s: float, kind: int, latency_s: float) -> None:
        place = index - self._base
        if place >= 0:
            self._kinds[place] = kind
            self._latencies[place] = latency_s
        else:
            self._over.append((index, asked_s, model, kind, latency_s))

    def _flush(self, at_s: NDArray[np.float64], model: NDArray[np.int32]) -> None:
        kind = np.frombuffer(bytes(self._kinds), np.int8)
        known = np.flatnonzero(kind != PENDING)
        latencies_s = np.array(self._latencies)
        self._tally.add(
            self._base + known, at_s[known], model[known], kind[known], latencies_s[known]
        )
        if self._over:
            columns = zip(*self._over, strict=True)
            index, asked_s, models, kinds, late_s = columns
            self._tally.add(
                np.array(index), np.array(asked_s), np.array(models, np.int32),
                np.array(kinds, np.int8), np.array(late_s),
            )  # fmt: skip
            self._over.clear()
        self._base += len(at_s)
        self._kinds, self._latencies = bytearray(), []
