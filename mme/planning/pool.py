"""The workers of a replay: given calls by the product's dispatch, scaled and relieved by its rules.

A worker is asked at once; it computes what it was given, then what it was sent besides. That it has
answered is heard by the gateway, in its turn.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

from mme.memory import MemoryBook
from mme.memory.prediction import WORKER_TASKS
from mme.memory.readings import Reading
from mme.memory.watermarks import Watermarks
from mme.planning.call import Call, SimulatedWorker
from mme.prefork.residents import Residents
from mme.workers.dispatch import Dispatch
from mme.workers.groups import POOL_WORKER
from mme.workers.rhythm import USUAL
from mme.workers.scaling import Load, change
from mme.workers.usage import UsageBook, candidate
from mme.workers.watch import RECALL_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mme.core.artifact import Admitted
    from mme.memory import Candidate
    from mme.planning.costs import Costs
    from mme.planning.machine import Machine
    from mme.planning.processors import Action, Processors
    from mme.planning.tally import Tally
    from mme.workers.given import Given
    from models.serving import LoadedModel

LOADED = cast("LoadedModel", object())
"""What residents hold here: nothing is asked of it."""


def marks_of(machine: Machine) -> Watermarks:
    """The machine's watermarks."""
    return Watermarks(machine.high, machine.low, machine.settle_s)


def next_multiple(now_s: float, every_s: float) -> float:
    """The first multiple of `every_s` after now, also where now is one but for its rounding."""
    count = math.floor(now_s / every_s) + 1
    return count * every_s if count * every_s > now_s else (count + 1) * every_s


class Pool:
    """All workers. `on_end` is told of calls answered, `on_refused` of those that are not.

    `hear` is the gateway's: it does what it is given in its turn.
    """

    def __init__(
        self,
        costs: Costs,
        machine: Machine,
        processors: Processors,
        tally: Tally,
        *,
        on_end: Callable[[Call], None],
        on_refused: Callable[[Call], None],
        hear: Callable[[Action], None],
    ) -> None:
        self._costs = costs
        self._machine = machine
        self._processors = processors
        self._tally = tally
        self._on_end = on_end
        self._on_refused = on_refused
        self._hear = hear
        self._fewest, self._most = machine.pool
        self.dispatch: Dispatch[Call] = Dispatch(
            clock=processors.clock, heavy_workers=max(1, self._fewest // 2), looks_ahead=True
        )
        self.usages = UsageBook(machine.remembered_models)
        self.book = MemoryBook(
            marks_of(machine), lambda: Reading(machine.memory_bytes, self.used_bytes),
            lambda: Reading(machine.tasks, WORKER_TASKS * len(self._workers)),
            policy=machine.policy, clock=processors.clock,
        )  # fmt: skip
        self._workers: dict[str, SimulatedWorker] = {}
        self.used_bytes = costs.base_bytes
        self._started = 0
        self._starting = 0
        self._steps = self._looks = self._presses = False
        """What is going to be looked at."""
        for _ in range(self._fewest):
            self._join()

    def has(self, model: str) -> bool:
        """Whether a worker has a model."""
        return bool(self.dispatch.having(model))

    def submit(self, call: Call, artifact: Admitted) -> None:
        """A call whose model is on the disk."""
        usage = self.usages.of(artifact)
        if usage.in_flight >= self._machine.queue_length:
            self._on_refused(call)
            return
        usage.in_flight += 1
        self.send(self.dispatch.submit(call))
        if self.dispatch.waiting(call.model):
            self._step_later()
        self._look_later()

    def send(self, given: list[Given[Call]]) -> None:
        """Do what dispatch decided."""
        for each in given:
            worker = self._workers[each.worker]
            if worker.call is None:
                self._begin(worker, each.request)
            else:
                worker.next = each.request

    # ---- computing

    def _begin(self, worker: SimulatedWorker, call: Call) -> None:
        worker.call = call
        worker.residents.get(call.model, lambda: LOADED)
        note = worker.residents.take_note()
        worker.dropped = note.dropped if note is not None else []
        if note is None:
            seconds = call.warm_s
        else:
            call.is_cold, seconds = True, call.cold_s
            self._tally.evictions += len(note.dropped)
            self._holds(self._own_bytes(call.model) - sum(map(self._own_bytes, note.dropped)))
        self._processors.work(seconds, lambda: self._answered(worker))

    def _answered(self, worker: SimulatedWorker) -> None:
        """A worker is done with a call, and goes on with the next one it has been sent."""
        call, dropped = worker.call, worker.dropped
        if call is None or worker.name not in self._workers:
            return
        worker.call, worker.next = worker.next, None
        if worker.call is not None:
            self._begin(worker, worker.call)
        self._hear(lambda: self._heard(worker, call, dropped))

    def _heard(self, worker: SimulatedWorker, call: Call, dropped: list[str]) -> None:
        if call in worker.recalled:
            worker.recalled.discard(call)
            self.dispatch.withdraw(call)
        given = self.dispatch.answered(worker.name, dropped=dropped)
        if not call.is_over:
            call.is_over = True
            usage = self.usages.get(call.model)
            if usage is not None:
                usage.in_flight -= 1
                self.usages.used(usage, self._processors.now_s)
            self._on_end(call)
        self.send(given)

    def _own_bytes(self, model: str) -> int:
        return self._costs.of(model).own_bytes

    def _holds(self, more_bytes: int) -> None:
        self.used_bytes += more_bytes
        self._tally.holds(self._processors.now_s, self.used_bytes)
        if more_bytes > 0 and not self._presses:
            self._presses = True
            self._processors.at(self._next(USUAL.pressure_s), self._press)

    # ---- how many workers

    def _join(self) -> None:
        self._started += 1
        worker = SimulatedWorker(f"w{self._started}", Residents(self._machine.resident_models))
        self._workers[worker.name] = worker
        self._tally.peak_workers = max(self._tally.peak_workers, len(self._workers))
        self._holds(self._costs.worker_bytes)
        self.send(self.dispatch.join(worker.name))

    def _step_later(self) -> None:
        if not self._steps:
            self._steps = True
            self._processors.at(self._next(USUAL.step_s), self._step)

    def _step(self) -> None:
        """As `Groups` does: one worker more or one fewer, where the rule says so."""
        self._steps = False
        now_s = self._processors.now_s
        states = self.dispatch.group()
        waiting = self.dispatch.oldest()
        waits_s = [
            now_s - call.came_at_s
            for call in waiting
            if not (call.is_heavy and self.dispatch.having(call.model))
        ]
        load = Load(
            workers=len(states), starting=self._starting,
            longest_wait_s=max(waits_s, default=0.0),
            shortest_run_s=min((state.runs_s for state in states if state.runs_s), default=0.0),
            longest_idle_s=max((state.idle_s for state in states), default=0.0),
        )  # fmt: skip
        wanted = change(load, self._fewest, self._most)
        if wanted > 0 and self.book.has_spare(POOL_WORKER):
            self._starting += 1
            self.book.promise("one more", POOL_WORKER)
            self._processors.work(self._costs.worker_start_s, self._has_started)
        elif wanted < 0:
            idle = [state for state in states if state.idle_s > 0]
            self._leave(min(idle, key=lambda state: state.models).name)
        if waiting or len(self._workers) > self._fewest:
            self._step_later()

    def _has_started(self) -> None:
        self._starting -= 1
        self.book.kept("one more")
        self._join()
        self._step_later()

    def _leave(self, name: str) -> None:
        """An idle worker ends, and with it what it has."""
        worker = self._workers.pop(name)
        held = sum(self._own_bytes(model) for model in worker.residents.names)
        self._holds(-self._costs.worker_bytes - held)
        self.send(self.dispatch.leave(name))

    # ---- looking after requests and memory

    def _look_later(self) -> None:
        if not self._looks:
            self._looks = True
            self._processors.at(self._next(USUAL.look_s), self._look)

    def _look(self) -> None:
        """As `Watch` does: whose time is over, and who need not wait for the one ahead."""
        self._looks = False
        now_s = self._processors.now_s
        for first in self.dispatch.oldest():
            call: Call | None = first
            while call is not None and call.came_at_s + self._machine.invoke_timeout_s <= now_s:
                call = self._give_up(call)
        computed = self.dispatch.requests_in_workers()
        for name, _, began_s in computed:
            worker = self._workers[name]
            sent = worker.next
            if sent is not None and now_s - began_s >= RECALL_S and sent not in worker.recalled:
                worker.recalled.add(sent)
                self.send(self.dispatch.recall(name))
        if computed:
            self._look_later()

    def _give_up(self, call: Call) -> Call | None:
        """Refuse a call that waits; returns the next one of its model."""
        self.dispatch.withdraw(call)
        usage = self.usages.get(call.model)
        if usage is not None:
            usage.in_flight -= 1
        self._on_refused(call)
        following = [each for each in self.dispatch.oldest() if each.model == call.model]
        return following[0] if following else None

    def _press(self) -> None:
        """As the engine does when memory may be short: workers to spare go, else models."""
        self._presses = False
        if not self.book.is_short():
            return
        if not self._shed():
            for victim in self.book.relieve(self.candidates()):
                self._evict(victim)
        if self.book.is_short():
            self._presses = True
            self._processors.at(self._next(USUAL.pressure_s), self._press)

    def _shed(self) -> bool:
        states = self.dispatch.group()
        idle = [state for state in states if state.idle_s > 0]
        if len(states) > self._fewest and idle:
            self._leave(min(idle, key=lambda state: state.models).name)
            return True
        return False

    def candidates(self) -> Iterator[Candidate]:
        """The models of the pool that may leave: idle ones."""
        for name in self.dispatch.resident():
            usage = self.usages.get(name)
            if usage is not None and usage.in_flight == 0:
                yield candidate(usage, usage.own_bytes * len(self.dispatch.having(name)), 0)

    def _evict(self, victim: Candidate) -> None:
        self._tally.evicted_for_memory += 1
        for name in self.dispatch.having(victim.name):
            worker = self._workers[name]
            self.dispatch.dropped(name, victim.name)
            if victim.name in worker.residents:
                worker.residents.drop([victim.name])
                self._holds(-self._own_bytes(victim.name))

    def _next(self, every_s: float) -> float:
        return next_multiple(self._processors.now_s, every_s)
