"""Replays a trace one event after the other by the product's own objects.

What decides is what decides in the product: `Dispatch`, `Residents`, `TargetTable`, `UsageBook`,
`MemoryBook` with its policy and watermarks, `change` of the pool's scaling. What happens in
between, computing, loading and admitting, takes the time it costs, on cores that all share with the
gateway. This is the shell; the pool's workers are in `pool.py`, arrivals in `arriving.py`.
"""

from __future__ import annotations

import math
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from mme.planning.arriving import Arriving
from mme.planning.call import Call
from mme.planning.outcome import COLD, FIRST, REFUSED, WARM
from mme.planning.pool import Pool
from mme.planning.processors import Processors
from mme.planning.work import Drawing
from mme.workers.requests import HEAVY_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from mme.planning.costs import Costs
    from mme.planning.machine import Machine
    from mme.planning.processors import Action
    from mme.planning.tally import Tally
    from mme.planning.trace import Trace

FLUSH = 50_000
TOLD_EVERY = 20_000


class Gateway:
    """One thread: what it does for requests it does one after the other."""

    def __init__(self, processors: Processors, each_s: float) -> None:
        self._processors = processors
        self._each_s = each_s
        self._waiting: deque[Action] = deque()
        self._is_busy = False

    def do(self, then: Action) -> None:
        """A step of a request; `then` is what comes of it."""
        if self._each_s <= 0:
            then()
            return
        self._waiting.append(then)
        if not self._is_busy:
            self._begin()

    def _begin(self) -> None:
        self._is_busy = True
        self._processors.work(self._each_s, self._end)

    def _end(self) -> None:
        then = self._waiting.popleft()
        self._is_busy = False
        if self._waiting:
            self._begin()
        then()


class Exact:
    """One replay. `is_shared`: whether all that runs shares the cores, the gateway included."""

    def __init__(
        self,
        names: Sequence[str],
        costs: Costs,
        machine: Machine,
        tally: Tally,
        *,
        is_shared: bool = True,
    ) -> None:
        self._names = names
        self._drawing = Drawing(names, costs)
        self._tally = tally
        self.processors = Processors(machine.cores if is_shared else math.inf)
        self._gateway = Gateway(self.processors, costs.overhead_s / 2 if is_shared else 0.0)
        self._added_s = costs.return_s + (0.0 if is_shared else costs.overhead_s)
        self._is_heavy = self._drawing.each(lambda cost: float(cost.mapped_bytes > HEAVY_BYTES))
        self._pool = Pool(
            costs,
            machine,
            self.processors,
            tally,
            on_end=self._ended,
            on_refused=self._refuse,
            hear=self._gateway.do,
        )
        self._arriving = Arriving(
            names,
            costs,
            machine,
            self.processors,
            tally,
            submit=self._pool.submit,
            refuse=self._refuse,
            is_in_use=self._pool.has,
        )
        self._over: list[tuple[int, float, int, int, float]] = []
        self._count = self._open = 0

    def run(
        self, chunks: Iterable[Trace], progress: Callable[[int, float], None] | None = None
    ) -> None:
        """Replay all of them."""
        for chunk in chunks:
            work = self._drawing.of(chunk)
            for at_s, model, warm_s, cold_s in zip(
                chunk.at_s.tolist(), chunk.model.tolist(), work.warm_s.tolist(),
                work.cold_s.tolist(), strict=True,
            ):  # fmt: skip
                self.processors.run(at_s)
                call = Call(
                    self._count, model, self._names[model], at_s, warm_s, cold_s,
                    bool(self._is_heavy[model]),
                )  # fmt: skip
                self._count += 1
                self._open += 1
                self._gateway.do(partial(self._arriving.came, call))
                if progress is not None and self._count % TOLD_EVERY == 0:
                    progress(self._count, at_s)
        # Not until nothing is due any more: where memory stays short, something always is.
        while self._open or self._arriving.is_busy:
            self.processors.step()
        self._flush()
        self._tally.busy_s = self.processors.busy_s

    def _ended(self, call: Call) -> None:
        """A call has its answer."""
        self._arriving.ended(call)
        kind = FIRST if call.is_first else COLD if call.is_cold else WARM
        self._note(call, kind, self.processors.now_s - call.at_s + self._added_s)

    def _refuse(self, call: Call) -> None:
        call.is_over = True
        self._arriving.ended(call)
        self._note(call, REFUSED, 0.0)

    def _note(self, call: Call, kind: int, latency_s: float) -> None:
        self._open -= 1
        self._over.append((call.index, call.at_s, call.number, kind, latency_s))
        if len(self._over) >= FLUSH:
            self._flush()

    def _flush(self) -> None:
        if self._over:
            index, at_s, model, kind, latency_s = zip(*self._over, strict=True)
            self._tally.add(
                np.array(index), np.array(at_s), np.array(model, np.int32),
                np.array(kind, np.int8), np.array(latency_s),
            )  # fmt: skip
            self._over.clear()
