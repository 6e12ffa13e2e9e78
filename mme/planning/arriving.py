"""Targets coming in during a replay: known to the endpoint, on its disk, or to be fetched first.

The product's `TargetTable` remembers who is known; a few arrivals go on side by side, each for all
requests that wait for it. What is on the disk is bounded as the cache is.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mme.core.artifact import Admitted, Findings
from mme.residency.slots import PATIENCE_S, SLOW_TIMES
from mme.residency.table import TargetTable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mme.planning.call import Call
    from mme.planning.costs import Costs
    from mme.planning.machine import Machine
    from mme.planning.processors import Processors
    from mme.planning.tally import Tally
    from mme.residency.table import Known

NOWHERE = Path("/nowhere")
LOOK_S = 0.25


def simulated(name: str, costs: Costs) -> Admitted:
    """An artifact of which nothing is on any disk."""
    cost = costs.of(name)
    findings = Findings(
        cost.disk_bytes, cost.own_bytes, cost.mapped_bytes, cost.mean_load_s, is_data=True
    )
    return Admitted(name, name, "", NOWHERE, NOWHERE, 0, 0.0, findings)


class Arriving:
    """Of one replay."""

    def __init__(
        self,
        names: Sequence[str],
        costs: Costs,
        machine: Machine,
        processors: Processors,
        tally: Tally,
        *,
        submit: Callable[[Call, Admitted], None],
        refuse: Callable[[Call], None],
        is_in_use: Callable[[str], bool],
    ) -> None:
        """`is_in_use`: whether a worker has a model, so that it stays on the disk."""
        self._costs = costs
        self._machine = machine
        self._processors = processors
        self._tally = tally
        self._submit = submit
        self._refuse = refuse
        self._is_in_use = is_in_use
        self._table = TargetTable(machine.remembered_models)
        self._waiting: dict[str, list[Call]] = {}
        """By the model that arrives."""
        self._to_start: deque[str] = deque()
        self._quick, self._all = machine.parallel_loads, machine.parallel_loads * SLOW_TIMES
        """Slots that are free."""
        self._disk: OrderedDict[str, int] = OrderedDict()
        """In the order they were wanted, as the cache has it."""
        self._disk_bytes = 0
        self._looks = False
        if machine.starts_admitted:
            for name in names:
                self._placed(name)

    @property
    def is_busy(self) -> bool:
        """Whether a target is coming in."""
        return bool(self._waiting)

    def came(self, call: Call) -> None:
        """A request has come."""
        known = self._table.current(call.model)
        if known is not None and call.model in self._disk:
            self._go(call, known)
            return
        if known is not None:
            self._table.forget(known)
        call.is_first = True
        waiting = self._waiting.get(call.model)
        if waiting is not None:
            waiting.append(call)
            return
        self._waiting[call.model] = [call]
        self._to_start.append(call.model)
        self._start()
        self._look_later()

    def ended(self, call: Call) -> None:
        """A request has its answer, or none."""
        if call.known is not None:
            self._table.end(call.known, self._processors.now_s)

    def _go(self, call: Call, known: Known) -> None:
        self._table.begin(known, self._processors.now_s)
        call.known = known
        call.came_at_s = self._processors.now_s
        self._submit(call, known.artifact)

    def _start(self) -> None:
        while self._to_start and self._quick and self._all:
            model = self._to_start.popleft()
            self._quick -= 1
            self._all -= 1
            cost = self._costs.of(model)
            slot = [True]
            self._processors.at(self._processors.now_s + PATIENCE_S, partial(self._release, slot))
            takes_s = self._costs.again_s if model in self._disk else cost.first_s
            self._processors.work(takes_s, partial(self._arrived, model, slot))

    def _release(self, slot: list[bool]) -> None:
        if slot[0]:
            slot[0] = False
            self._quick += 1
            self._start()

    def _arrived(self, model: str, slot: list[bool]) -> None:
        self._placed(model)
        now_s = self._processors.now_s
        self._table.arrived(simulated(model, self._costs), now_s, now_s)
        known = self._table.current(model)
        for call in self._waiting.pop(model):
            if known is not None:
                self._go(call, known)
        self._all += 1
        self._release(slot)
        self._start()

    def _placed(self, model: str) -> None:
        """It is on the disk; within the limit, for which others may have to go."""
        size = self._costs.of(model).disk_bytes
        if model not in self._disk:
            self._disk_bytes += size
        self._disk[model] = size
        self._disk.move_to_end(model)
        limit = self._machine.disk_bytes
        if limit is None or self._disk_bytes <= limit:
            return
        for other in list(self._disk):
            if self._disk_bytes <= limit:
                break
            if other != model and not self._is_in_use(other) and not self._table.uses(other):
                self._disk_bytes -= self._disk.pop(other)
                self._tally.evicted_from_disk += 1

    def _look_later(self) -> None:
        if not self._looks:
            self._looks = True
            self._processors.at(self._processors.now_s + LOOK_S, self._look)

    def _look(self) -> None:
        """Refuse those whose models do not arrive in time."""
        self._looks = False
        until_s = self._processors.now_s - self._machine.ready_timeout_s
        for waiting in self._waiting.values():
            while waiting and waiting[0].at_s <= until_s:
                self._refuse(waiting.pop(0))
        if self._waiting:
            self._look_later()
