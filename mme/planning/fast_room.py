"""What a fast replay does now and then: targets arrive, memory runs short, waiting takes too long.

Memory is relieved by the product's own book.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING

from mme.memory import MemoryBook
from mme.memory.policy import Candidate, decayed
from mme.memory.readings import Reading
from mme.planning.arriving import LOOK_S
from mme.planning.outcome import FIRST
from mme.planning.pool import marks_of, next_multiple
from mme.residency.slots import PATIENCE_S, SLOW_TIMES
from mme.workers.rhythm import USUAL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mme.planning.costs import Costs
    from mme.planning.fast import Fast, FastCall
    from mme.planning.machine import Machine
    from mme.planning.tally import Tally

PRESSURE, LOOK, WAITED, ARRIVAL = -1, -2, -3, -4
"""What happens; ARRIVAL - 2 n: model n has arrived; one less: it takes long."""


class Room:
    """Of one fast replay."""

    def __init__(
        self, names: Sequence[str], costs: Costs, machine: Machine, tally: Tally, fast: Fast
    ) -> None:
        self._names = names
        self._machine = machine
        self._tally = tally
        self._fast = fast
        self._own_bytes = [int(each) for each in fast.drawing.each(lambda cost: cost.own_bytes)]
        self._load_s = fast.drawing.each(lambda cost: cost.mean_load_s)
        self._first_s = fast.drawing.each(lambda cost: cost.first_s)
        self._disk_of = [int(each) for each in fast.drawing.each(lambda cost: cost.disk_bytes)]
        self._again_s = costs.again_s
        self.used_bytes = costs.base_bytes + machine.pool[0] * costs.worker_bytes
        tally.holds(0.0, self.used_bytes)
        most = (
            machine.pool[0]
            * min(machine.resident_models, len(names))
            * max(self._own_bytes, default=0)
        )
        self.may_be_short = self.used_bytes + most > machine.high * machine.memory_bytes
        self._now_s = 0.0
        self._book = MemoryBook(
            marks_of(machine), lambda: Reading(machine.memory_bytes, self.used_bytes),
            lambda: Reading(machine.tasks, 0), policy=machine.policy, clock=lambda: self._now_s,
        )  # fmt: skip
        self._used_at_s = [0.0] * len(names)
        self._uses = [0.0] * len(names)
        self._expected: set[int] = set()
        """What of PRESSURE, LOOK and WAITED is to come."""
        self.ready = bytearray(len(names))
        """Whether the endpoint knows each and has it on the disk."""
        self.known: OrderedDict[int, None] = OrderedDict()
        """The last ones used, where not all can be known."""
        self._used: OrderedDict[int, None] = OrderedDict()
        """Those whose uses are remembered, where not all can be."""
        self.forgets = len(names) > machine.remembered_models
        self._disk: OrderedDict[int, None] = OrderedDict()
        self._disk_bytes = 0
        self._waiting: dict[int, deque[FastCall]] = {}
        self._came: deque[tuple[float, int]] = deque()
        """When each came that waits or waited for its model, and the model; the first one first."""
        self._to_start: deque[int] = deque()
        self._quick, self._all = machine.parallel_loads, machine.parallel_loads * SLOW_TIMES
        """Slots that are free."""
        self._slow: set[int] = set()
        """Those that arrive and have given their slots up."""
        if machine.starts_admitted:
            self._place_all()

    @property
    def is_awaited(self) -> bool:
        """Whether a request waits for its model to arrive."""
        return bool(self._waiting)

    def happens(self, what: int, now_s: float) -> None:
        """Something is due."""
        if what <= ARRIVAL:
            model, is_slow = divmod(ARRIVAL - what, 2)
            (self._gives_up_slot if is_slow else self._arrived)(model, now_s)
            return
        self._expected.discard(what)
        if what == PRESSURE:
            self._press(now_s)
        elif what == LOOK:
            self._look(now_s)
        elif self._fast.give_up(now_s - self._machine.invoke_timeout_s):
            self.look_later(now_s)

    # ---- arrivals

    def came(self, call: FastCall, now_s: float) -> None:
        """A request to a target that is not known, or not on the disk."""
        model = call[1]
        call = (*call[:6], FIRST)
        self._came.append((now_s, model))
        waiting = self._waiting.get(model)
        if waiting is not None:
            waiting.append(call)
            return
        self.known.pop(model, None)
        self._waiting[model] = deque([call])
        self._to_start.append(model)
        self._start(now_s)
        self._expect(LOOK, now_s + LOOK_S)

    def _start(self, now_s: float) -> None:
        while self._to_start and self._quick and self._all:
            model = self._to_start.popleft()
            self._quick -= 1
            self._all -= 1
            takes_s = self._again_s if model in self._disk else self._first_s[model]
            self._fast.worked(takes_s)
            self._fast.expect(now_s + takes_s, ARRIVAL - 2 * model, is_work=True)
            if takes_s > PATIENCE_S:
                self._fast.expect(now_s + PATIENCE_S, ARRIVAL - 2 * model - 1)

    def _gives_up_slot(self, model: int, now_s: float) -> None:
        self._slow.add(model)
        self._quick += 1
        self._start(now_s)

    def touch(self, model: int) -> None:
        """A request to a model that is ready."""
        if not self.forgets:
            return
        self.known.move_to_end(model)
        if self.may_be_short and model not in self._used:
            self._uses[model] = self._used_at_s[model] = 0.0
            self._used[model] = None
            if len(self._used) > self._machine.remembered_models:
                self._forget_unused()

    def _forget_unused(self) -> None:
        idle = next((each for each in self._used if not self._fast.in_flight[each]), None)
        if idle is not None:
            del self._used[idle]

    def _arrived(self, model: int, now_s: float) -> None:
        self._placed(model)
        if self.forgets:
            self._forget_idle()
            self.known[model] = None
        self.ready[model] = True
        for call in self._waiting.pop(model):
            self.touch(model)
            self._fast.submit((*call[:3], now_s, *call[4:]), now_s)
        self._all += 1
        self._quick += model not in self._slow
        self._slow.discard(model)
        self._start(now_s)

    def _forget_idle(self) -> None:
        if len(self.known) >= self._machine.remembered_models:
            idle = next((each for each in self.known if not self._fast.in_flight[each]), None)
            if idle is not None:
                del self.known[idle]
                self.ready[idle] = False

    def _placed(self, model: int) -> None:
        limit = self._machine.disk_bytes
        if model not in self._disk:
            self._disk_bytes += self._disk_of[model]
        self._disk[model] = None
        self._disk.move_to_end(model)
        if limit is None or self._disk_bytes <= limit:
            return
        leaving: list[int] = []
        for other in self._disk:
            if self._disk_bytes <= limit:
                break
            if other != model and not self._fast.in_flight[other] and not self._fast.having[other]:
                self._disk_bytes -= self._disk_of[other]
                leaving.append(other)
        for other in leaving:
            del self._disk[other]
            self.ready[other] = False
        self._tally.evicted_from_disk += len(leaving)

    def _place_all(self) -> None:
        if self._machine.disk_bytes is not None:
            for model in range(len(self._names)):
                self._placed(model)
            return
        self._disk = OrderedDict.fromkeys(range(len(self._names)))
        self._disk_bytes = sum(self._disk_of)

    def _look(self, now_s: float) -> None:
        """Refuse those whose models do not arrive in time."""
        until_s = now_s - self._machine.ready_timeout_s
        while self._came and self._came[0][0] <= until_s:
            waiting = self._waiting.get(self._came.popleft()[1])
            while waiting and waiting[0][2] <= until_s:
                self._fast.refuse(waiting.popleft())
        if self._waiting:
            self._expect(LOOK, now_s + LOOK_S)

    # ---- memory

    def loaded(self, model: int, dropped: Sequence[int], now_s: float) -> None:
        """A worker loads a model, for which others have left it."""
        self._tally.evictions += len(dropped)
        left_bytes = sum(self._own_bytes[each] for each in dropped)
        more_bytes = self._own_bytes[model] - left_bytes
        self.used_bytes += more_bytes
        if more_bytes:
            self._tally.holds(now_s, self.used_bytes)
        if self.may_be_short and more_bytes > 0:
            self._expect(PRESSURE, next_multiple(now_s, USUAL.pressure_s))

    def used(self, model: int, now_s: float) -> None:
        """A model has answered."""
        if self.may_be_short:
            elapsed_s = now_s - self._used_at_s[model]
            self._uses[model] = decayed(self._uses[model], elapsed_s) + 1.0
            self._used_at_s[model] = now_s
            if self.forgets:
                self._used.move_to_end(model)

    def _press(self, now_s: float) -> None:
        self._now_s = now_s
        if not self._book.is_short():
            return
        for victim in self._book.relieve(self._candidates()):
            self._tally.evicted_for_memory += 1
            model = int(victim.name)
            self.used_bytes -= self._own_bytes[model] * self._fast.evict(model)
            self._tally.holds(now_s, self.used_bytes)
        if self._book.is_short():
            self._expect(PRESSURE, next_multiple(now_s, USUAL.pressure_s))

    def _candidates(self) -> Iterator[Candidate]:
        for model in self._fast.models():
            workers = self._fast.having[model]
            is_known = not self.forgets or model in self._used
            if workers and is_known and not self._fast.in_flight[model]:
                yield Candidate(
                    str(model), self._own_bytes[model] * workers.bit_count(), 0,
                    self._load_s[model], self._used_at_s[model], self._uses[model],
                )  # fmt: skip

    def look_later(self, now_s: float) -> None:
        """A request waits for a worker."""
        self._expect(WAITED, next_multiple(now_s, USUAL.look_s))

    def _expect(self, what: int, at_s: float) -> None:
        if what not in self._expected:
            self._expected.add(what)
            self._fast.expect(at_s, what)
