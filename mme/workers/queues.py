"""The requests that wait, by model: who is first, whose turn is next. No rule of who gets what."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Generic

from mme.workers.given import R

if TYPE_CHECKING:
    from collections.abc import Iterable


class Queues(Generic[R]):
    """Those for the pool, whose models have turns, and those for workers of a model's own."""

    def __init__(self) -> None:
        self.pool: OrderedDict[str, deque[R]] = OrderedDict()
        """Models whose requests wait for the pool, in the order of their turns; none is empty."""
        self.own: dict[str, deque[R]] = {}
        """None is empty."""

    def put(self, request: R) -> None:
        """A request waits from now on."""
        self._of(request).append(request)

    def put_first(self, requests: Iterable[R]) -> None:
        """These wait again, in their order, ahead of all others."""
        for request in reversed([*requests]):
            self._of(request).appendleft(request)
            if not request.is_own:
                self.pool.move_to_end(request.model, last=False)

    def withdraw(self, request: R) -> bool:
        """Take a request out; False if it does not wait."""
        queues = self.own if request.is_own else self.pool
        queue = queues.get(request.model)
        if queue is None or request not in queue:
            return False
        queue.remove(request)
        if not queue:
            del queues[request.model]
        return True

    def take_all(self, model: str) -> list[R]:
        """Take out all of a model."""
        return [*self.pool.pop(model, ()), *self.own.pop(model, ())]

    def waiting(self, model: str) -> int:
        """How many wait for a model."""
        return len(self.pool.get(model, ())) + len(self.own.get(model, ()))

    def oldest(self) -> list[R]:
        """The first of each model that is for the pool."""
        return [queue[0] for queue in self.pool.values()]

    def oldest_of(self, own_model: str) -> R | None:
        """The first that waits for a worker of the model's own."""
        queue = self.own.get(own_model)
        return queue[0] if queue else None

    def _of(self, request: R) -> deque[R]:
        queues = self.own if request.is_own else self.pool
        return queues.setdefault(request.model, deque())
