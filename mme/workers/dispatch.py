"""Which waiting request goes to which idle worker: every rule of it, without any I/O.

Requests wait per model. A worker of the pool takes any model; a worker of a model's own takes that
model only. Waiting models are served in turn, so that a hot model never starves a cold one; among
the idle workers, one that has the model comes before one that has not. A worker computes one
request at a time, or a batch, so that its death takes no other along.

Two kinds of models do not get all workers of the pool: *heavy* ones, whose memory each further
worker would touch again, and *slow* ones, that would leave none for quick requests. So do *large*
requests, for how long a model takes over one is not known before.

Where all models concerned are quick, a worker is sent a *next* request while it computes one, so
that it need not wait for the gateway in between; not where an answer is passed on in pieces.

Each method changes the state and returns the requests that must now be sent (`Given`). Starting and
ending workers is for `groups.py`, sending for `live.py`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Generic

from mme.workers.batches import take
from mme.workers.given import Given, R
from mme.workers.queues import Queues
from mme.workers.times import QUICK_S, SLOW_S, ModelTimes
from mme.workers.worker import Worker

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Sequence

    from mme.workers.given import WorkerState


class Dispatch(Generic[R]):
    """The waiting requests and the workers. Not safe for threads: the event loop owns it."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        heavy_workers: int = 1,
        looks_ahead: bool = False,
    ) -> None:
        """`looks_ahead`: whether workers are sent a next request while they compute one."""
        self._clock = clock
        self._looks_ahead = looks_ahead
        self._heavy_workers = heavy_workers
        self._workers: dict[str, Worker[R]] = {}
        self._pool: dict[str, Worker[R]] = {}
        self._own: dict[str, dict[str, Worker[R]]] = {}
        """Model -> the workers of its own."""
        self._waiting: Queues[R] = Queues()
        self._having: dict[str, set[str]] = {}
        """Model -> the workers that have it."""
        self._times = ModelTimes()

    # ---- requests

    def submit(self, request: R) -> list[Given[R]]:
        """A request has come."""
        self._waiting.put(request)
        return self._give(request)

    def submit_again(self, *requests: R) -> list[Given[R]]:
        """Requests of one model that no worker answered come back, ahead of all others."""
        self._waiting.put_first(requests)
        return self._give(requests[0]) if requests else []

    def withdraw(self, request: R) -> bool:
        """Take a request out; False if it does not wait."""
        return self._waiting.withdraw(request)

    def take_all(self, model: str) -> list[R]:
        """Take out all waiting requests of a model; for when it cannot be served at all."""
        return self._waiting.take_all(model)

    def waiting(self, model: str) -> int:
        """How many requests wait for a model."""
        return self._waiting.waiting(model)

    def oldest(self) -> list[R]:
        """The first waiting request of each model that is for the pool."""
        return self._waiting.oldest()

    def own_waiting(self) -> set[str]:
        """The models for whose own workers requests wait."""
        return set(self._waiting.own)

    def oldest_of(self, own_model: str) -> R | None:
        """The first request that waits for a worker of the model's own."""
        return self._waiting.oldest_of(own_model)

    # ---- workers

    def join(
        self,
        worker: str,
        own_model: str | None = None,
        pipelines: frozenset[str] | None = None,
    ) -> list[Given[R]]:
        """A worker is there."""
        joined: Worker[R] = Worker(worker, own_model, pipelines, idle_since_s=self._clock())
        self._workers[worker] = joined
        self._peers(own_model)[worker] = joined
        return self._give_to(joined)

    def retire(self, worker: str) -> None:
        """Give a worker no more requests."""
        if worker in self._workers:
            self._workers[worker].is_leaving = True

    def leave(self, worker: str) -> list[Given[R]]:
        """A worker is gone; the request it computed is no worker's now.

        The next one it had been sent waits again, ahead of all others, if it was not recalled.
        What heavy and slow models had of the pool with it, another worker may give them.
        """
        gone = self._workers.pop(worker, None)
        if gone is None:
            return []
        if gone.next is not None and not gone.is_recalled:
            self._waiting.put_first([gone.next])
        self._peers(gone.own_model).pop(worker, None)
        if gone.own_model is not None and not self._own[gone.own_model]:
            del self._own[gone.own_model]
        for model in gone.models:
            self._forget(worker, model)
        return self._give_to(gone)

    def recall(self, worker: str) -> list[Given[R]]:
        """Give the next request of a worker to another too: its first takes longer than expected.

        It cannot be taken back: this one computes it as well when it has answered the first.
        """
        state = self._workers.get(worker)
        if state is None or state.next is None or state.is_recalled:
            return []
        state.is_recalled = True
        self._waiting.put_first([state.next])
        return self._give_to(state)

    def hold(self, worker: str) -> None:
        """Give a worker nothing more until `freed`, when it has answered what it has."""
        if worker in self._workers:
            self._workers[worker].is_occupied = True

    def answered(
        self, worker: str, *, has_model: bool = True, dropped: Sequence[str] = ()
    ) -> list[Given[R]]:
        """A worker has answered its request, and those that went with it.

        It has the model now unless it could not load it.
        """
        state = self._workers[worker]
        request, state.request, state.next = state.request, state.next, None
        count, state.others = 1 + len(state.others), ()
        state.is_recalled = False
        assert request is not None, worker  # noqa: S101 - a broken caller, not bad input
        now_s = self._clock()
        self._times.note(request.model, (now_s - state.began_s) / count)
        state.idle_since_s = state.began_s = now_s
        for model in dropped:
            self.dropped(worker, model)
        if has_model and request.model not in state.models:
            state.models[request.model] = None
            self._having.setdefault(request.model, set()).add(worker)
        return self._give_to(state)

    def dropped(self, worker: str, model: str) -> None:
        """A worker has let a model go."""
        if worker in self._workers and model in self._workers[worker].models:
            del self._workers[worker].models[model]
            self._forget(worker, model)

    def freed(self, worker: str) -> list[Given[R]]:
        """What the worker was held for has ended."""
        state = self._workers.get(worker)
        if state is None:
            return []
        state.is_occupied = False
        return self._give_to(state)

    def having(self, model: str) -> frozenset[str]:
        """The workers that have a model."""
        return frozenset(self._having.get(model, ()))

    def resident(self) -> dict[str, int]:
        """The models that some worker has, and how many have them."""
        return {model: len(workers) for model, workers in self._having.items()}

    def requests_in_workers(self) -> list[tuple[str, R, float]]:
        """Worker, request and since when, of all that are being computed."""
        return [
            (each.name, each.request, each.began_s)
            for each in self._workers.values()
            if each.request is not None
        ]

    def group(self, own_model: str | None = None) -> list[WorkerState]:
        """The workers of the pool, or of one model's own, that take requests."""
        now_s = self._clock()
        group = self._pool if own_model is None else self._own.get(own_model, {})
        return [each.state(now_s) for each in group.values() if not each.is_leaving]

    def is_free(self, worker: str) -> bool:
        """Whether a worker does nothing, leaving or not."""
        state = self._workers.get(worker)
        return state is None or (state.request is None and not state.is_occupied)

    # ---- the rules

    def _peers(self, own_model: str | None) -> dict[str, Worker[R]]:
        return self._pool if own_model is None else self._own.setdefault(own_model, {})

    def _give(self, request: R) -> list[Given[R]]:
        return self._give_own(request.model) if request.is_own else self._give_pool()

    def _give_to(self, worker: Worker[R]) -> list[Given[R]]:
        return self._give_pool() if worker.own_model is None else self._give_own(worker.own_model)

    def _give_own(self, model: str) -> list[Given[R]]:
        given: list[Given[R]] = []
        queue = self._waiting.own.get(model)
        # One that has loaded the model comes first.
        workers = sorted(
            self._own.get(model, {}).values(), key=lambda worker: model not in worker.models
        )
        for worker in workers:
            if queue and worker.is_idle:
                given += [self._start(worker, queue)]
        for worker in workers:
            if queue and self._may_send_ahead(worker, queue[0]):
                given += [self._send_ahead(worker, queue.popleft())]
        if queue is not None and not queue:
            del self._waiting.own[model]
        return given

    def _give_pool(self) -> list[Given[R]]:
        """Each waiting model in its turn, as long as a worker is idle that may take it."""
        given: list[Given[R]] = []
        queues = self._waiting.pool
        idle = [worker for worker in self._pool.values() if worker.is_idle]
        skipped: list[str] = []
        for _ in range(len(queues)) if idle else ():
            model, queue = next(iter(queues.items()))
            worker = self._choose(queue[0], idle)
            queues.move_to_end(model)
            if worker is None:
                skipped.append(model)
                continue
            idle.remove(worker)
            given.append(self._start(worker, queue))
            if not queue:
                del queues[model]
            if not idle:
                break
        # Those that could not be served keep their turn.
        for model in reversed(skipped):
            queues.move_to_end(model, last=False)
        if given and idle and len(skipped) < len(queues):
            given += self._give_pool()
        return given + self._give_ahead() if queues and self._looks_ahead else given

    def _give_ahead(self) -> list[Given[R]]:
        """Send busy workers what is next in turn, but nothing past a model that must wait."""
        given: list[Given[R]] = []
        queues = self._waiting.pool
        while queues:
            model, queue = next(iter(queues.items()))
            able = [
                worker
                for worker in self._pool.values()
                if model in worker.models and self._may_send_ahead(worker, queue[0])
            ]
            if not able:
                break
            given.append(self._send_ahead(able[0], queue.popleft()))
            queues.move_to_end(model)
            if not queue:
                del queues[model]
        return given

    def _may_send_ahead(self, worker: Worker[R], request: R) -> bool:
        return (
            self._looks_ahead
            and worker.request is not None
            and worker.next is None
            and not worker.is_leaving
            and not worker.is_occupied
            # It gains more by waiting for those that come meanwhile.
            and request.batch is None
            and not worker.others
            and not (request.is_large or worker.request.is_large)
            and not (request.is_streamed or worker.request.is_streamed)
            and self._times.is_quick(request.model)
            and self._times.is_quick(worker.request.model)
            and self._clock() - worker.began_s < QUICK_S
        )

    def _send_ahead(self, worker: Worker[R], request: R) -> Given[R]:
        worker.next = request
        return Given(worker.name, request)

    def _start(self, worker: Worker[R], queue: deque[R]) -> Given[R]:
        model = queue[0].model
        if queue[0].batch is None or model not in worker.models:
            request, others = queue.popleft(), ()
        else:
            request, *rest = take(queue, self._times.average_s(model))
            others = tuple(rest)
        worker.request, worker.others, worker.began_s = request, others, self._clock()
        return Given(worker.name, request, others)

    def _choose(self, request: R, idle: list[Worker[R]]) -> Worker[R] | None:
        model, pipeline = request.model, request.pipeline
        able = [
            worker
            for worker in idle
            if pipeline is None or worker.pipelines is None or pipeline in worker.pipelines
        ]
        if not able or (self._may_take_long(request) and not self._may_take_slow()):
            return None
        having = self._having.get(model, ())
        with_it = [worker for worker in able if worker.name in having]
        if with_it:
            return with_it[0]
        if request.is_heavy and self._having_or_loading(model) >= self._heavy_workers:
            return None
        return min(able, key=lambda worker: len(worker.models))

    def _having_or_loading(self, model: str) -> int:
        loading = {
            worker.name
            for worker in self._pool.values()
            if worker.request is not None and worker.request.model == model
        }
        return len(loading | self._having.get(model, set()))

    def _may_take_long(self, request: R) -> bool:
        model = request.model
        if request.is_large or self._times.is_slow(model):
            return True
        now_s = self._clock()
        return any(
            worker.request is not None
            and worker.request.model == model
            and now_s - worker.began_s > SLOW_S
            for worker in self._pool.values()
        )

    def _may_take_slow(self) -> bool:
        """Whether a worker of the pool is left for quick requests."""
        slow = sum(
            worker.request is not None and self._may_take_long(worker.request)
            for worker in self._pool.values()
        )
        # A pool of one has none to spare.
        return slow + 1 < max(len(self._pool), 2)

    def _forget(self, worker: str, model: str) -> None:
        having = self._having.get(model)
        if having is not None:
            having.discard(worker)
            if not having:
                del self._having[model]
