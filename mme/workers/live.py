"""The workers that run: asking them, hearing their answers and their ends.

Turns what dispatch decides into messages and what workers say into facts for dispatch. A worker
that ends takes along the request it had read. A request it had not read is given to another, and so
is one whose worker ended for a reason of its own, unless pieces of an answer have been passed on.
Those of a batch that ends its worker are computed again, each alone: only whoever did it goes along
with a worker then.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mme.core.door import Answer, Drop
from mme.core.errors import ModelFailed
from mme.core.log_format import REQUEST_ID, TARGET
from mme.mms.client import MmsError, Unseen
from mme.workers.batches import BatchSizes
from mme.workers.requests import MOST_ATTEMPTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from mme.core.artifact import Admitted
    from mme.core.background import BackgroundTasks
    from mme.core.door import Message, Part
    from mme.workers.dispatch import Dispatch
    from mme.workers.given import Given
    from mme.workers.requests import Request
    from mme.workers.starting import StartedWorker

log = logging.getLogger(__name__)

NO_ANSWER = 0
LONG_S = 0.1
"""A wait for a worker that is worth telling."""
JUDGE_S, JUDGE_LOOKS = 0.01, 8


@dataclass(eq=False, slots=True)
class LiveWorker:
    """One worker."""

    started: StartedWorker
    artifact: Admitted | None
    """The model it is for; None: it is of the pool."""
    born_bytes: int
    """Its anonymous memory when it came."""
    request: Request | None = None
    """What it computes; of a batch, what it answers next."""
    others: deque[Request] = field(default_factory=deque)
    """The rest of the batch, in the order of its answers."""
    next: Request | None = None
    """What it has been sent besides, and computes when it has answered the first."""
    recalled: set[Request] = field(default_factory=set)
    """Which of both has been given to another worker too."""
    is_condemned: bool = False
    """We end it for something its request has no part in."""
    puts_last: Request | None = None
    """And this goes behind those that wait, unless the worker answers it on its way out."""
    to_drop: list[str] = field(default_factory=list)

    @property
    def own_model(self) -> str | None:
        """The name of the model it is for."""
        return None if self.artifact is None else self.artifact.name

    @property
    def batch(self) -> list[Request]:
        """What it has not answered of the batch it computes; empty: it computes none."""
        if self.request is None or self.request.together == 1:
            return []
        return [self.request, *self.others]


class LiveWorkers:
    """All of them by name. The event loop owns it.

    `on_answered` is told of each answer, `on_death` of each end and what was being computed,
    `on_blame` of each request whose computing ended a worker, `on_batch_death` of the model where
    it was that of a batch. `sizes` counts batches.
    """

    def __init__(
        self,
        dispatch: Dispatch[Request],
        background: BackgroundTasks,
        *,
        clock: Callable[[], float],
        through_mms: bool,
        on_answered: Callable[[LiveWorker, Request, Answer], None],
        on_death: Callable[[LiveWorker, Request | None], None],
        on_blame: Callable[[Request], None],
        on_batch_death: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._dispatch = dispatch
        self._background = background
        self._clock = clock
        self._through_mms = through_mms
        self._on_answered = on_answered
        self._on_death = on_death
        self._on_blame = on_blame
        self._on_batch_death = on_batch_death
        self.sizes = BatchSizes()
        self._live: dict[str, LiveWorker] = {}

    def __len__(self) -> int:
        return len(self._live)

    def all(self) -> list[LiveWorker]:
        """Every one."""
        return list(self._live.values())

    def get(self, name: str) -> LiveWorker | None:
        """One by its name."""
        return self._live.get(name)

    def join(self, live: LiveWorker, pipelines: frozenset[str] | None) -> None:
        """A worker has started and takes requests from now on."""
        name, door = live.started.name, live.started.door
        self._live[name] = live
        door.on_part = lambda part: _passed_on(live, part)
        door.on_answer = lambda message: self._heard(live, message)
        door.on_end = lambda had_read: self._ended(live, had_read=had_read)
        if not door.is_open:  # it died before anything here could hear of it
            self._ended(live, had_read=False)
            return
        self.send(self._dispatch.join(name, live.own_model, pipelines))

    def submit(self, request: Request) -> None:
        """A request has come."""
        self.send(self._dispatch.submit(request))

    def submit_again(self, *requests: Request) -> None:
        """Requests to one model come back that no worker has answered."""
        self.send(self._dispatch.submit_again(*requests))

    def drop(self, model: str) -> None:
        """Have each worker that has the model let it go, once it has answered what it has."""
        for name in self._dispatch.having(model):
            live = self._live.get(name)
            if live is not None:
                self._dispatch.dropped(name, model)
                live.to_drop.append(model)
                if live.request is None:
                    self._send_drops(live)

    def remove(self, live: LiveWorker) -> None:
        """Forget a worker that computes nothing; it is its remover's to end."""
        self._live.pop(live.started.name, None)
        live.started.door.forget()
        self.send(self._dispatch.leave(live.started.name))

    def send(self, given: list[Given[Request]]) -> None:
        """Do what dispatch decided."""
        for each in given:
            live, request = self._live[each.worker], each.request
            self._tell_if_notable(each.worker, request)
            if live.request is None:
                live.request, live.others = request, deque(each.others)
            elif not live.started.door.has_ended:  # else it comes back when that is told
                live.next = request
            self._note_sent(live, [request, *each.others])
            if self._through_mms:
                self._background.start(self._ask_mms(live, request))
            elif each.others:
                live.started.door.send_together(
                    [(one.beginning, one.question.body) for one in live.batch]
                )
            else:
                live.started.door.send_frame(request.beginning, request.question.body)

    def _note_sent(self, live: LiveWorker, requests: list[Request]) -> None:
        if requests[0].batch is not None:
            self.sizes.note(len(requests))
        for request in requests:
            request.attempts += 1
            request.together = len(requests)
            if request is not live.next:
                request.started_at_s = self._clock()

    def _tell_if_notable(self, worker: str, request: Request) -> None:
        """At DEBUG: what waited long, or comes to a further worker."""
        if not log.isEnabledFor(logging.DEBUG):
            return
        waited_s = self._clock() - request.came_at_s
        if request.attempts or waited_s >= LONG_S:
            log.debug(
                "a request goes to worker %s, its %d., after %.1f ms of waiting",
                worker, request.attempts + 1, waited_s * 1000,
                extra={TARGET: request.artifact.target, REQUEST_ID: request.question.request_id},
            )  # fmt: skip

    async def _ask_mms(self, live: LiveWorker, request: Request) -> None:
        """Send a request through the model server; the worker's end is seen at its door."""
        try:
            answer = await live.started.server.client.ask(live.started.name, request.question)
        except Unseen:
            # Whatever is wrong there, this worker cannot be reached that way.
            self._ended(live, had_read=False)
        except MmsError:
            self._ended(live, had_read=True)
        else:
            if self._live.get(live.started.name) is live and live.request is request:
                self._heard(live, answer)

    def recall(self, live: LiveWorker) -> None:
        """Have another worker answer what this one has been sent besides its first request.

        It will answer too; whichever answers first is heard.
        """
        request = live.next
        if request is not None and request not in live.recalled and not request.is_over:
            live.recalled.add(request)
            self.send(self._dispatch.recall(live.started.name))

    def _heard(self, live: LiveWorker, message: Message) -> None:
        name, request = live.started.name, live.request
        if not isinstance(message, Answer):  # it has dropped what it was told to
            self.send(self._dispatch.freed(name))
            return
        if request is None:
            return
        if live.others:
            self._heard_of_batch(live, request, message)
            return
        live.request, live.next = live.next, None
        if live.request is not None:
            live.request.started_at_s = self._clock()
        if request in live.recalled:
            live.recalled.discard(request)
            self._dispatch.withdraw(request)
        if live.to_drop:
            self._dispatch.hold(name)
        if not request.is_over:
            request.answer.set_result(message)
        has_model = not message.is_unloadable and request.model not in live.to_drop
        given = self._dispatch.answered(name, has_model=has_model, dropped=message.dropped)
        if live.to_drop and live.request is None:
            self._send_drops(live)
        self.send(given)
        self._on_answered(live, request, message)

    def _heard_of_batch(self, live: LiveWorker, request: Request, answer: Answer) -> None:
        """One of a batch has its answer, and others of it are on their way."""
        live.request = live.others.popleft()
        for name in answer.dropped:
            self._dispatch.dropped(live.started.name, name)
        if not request.is_over:
            request.answer.set_result(answer)
        self._on_answered(live, request, answer)

    def _send_drops(self, live: LiveWorker) -> None:
        self._dispatch.hold(live.started.name)
        models, live.to_drop = live.to_drop, []
        live.started.door.send(Drop(models))

    def _ended(self, live: LiveWorker, *, had_read: bool) -> None:
        name = live.started.name
        if self._live.get(name) is not live:
            return
        del self._live[name]
        batch = live.batch
        request, live.request = live.request, None
        self.send(self._dispatch.leave(name))
        self._on_death(live, request)
        if request is None or request in live.recalled:
            return
        # Of two it may have read the first; that it left bytes unread says nothing of that one.
        had_read = had_read or live.next is not None
        if request is live.puts_last and not request.is_over:
            request.lets_others_pass = False
            request.attempts = 0
            self.send(self._dispatch.submit(request))
            return
        if not had_read or live.is_condemned or live.started.server.has_ended:
            self._again(*(batch or [request]))
            return
        if batch:
            self._one_by_one(batch)
            self._again(*batch)
            return
        self._on_blame(request)
        if not request.is_over:
            self._background.start(self._judge(live, request))

    async def _judge(self, live: LiveWorker, request: Request) -> None:
        """Find out whose doing the death of a worker was that computed a request.

        The model server's end takes its workers along, a moment before the kernel calls it ended.
        """
        for _ in range(JUDGE_LOOKS):
            if live.started.server.has_ended:
                self._again(request)
                return
            await asyncio.sleep(JUDGE_S)
        if not request.is_over:
            request.answer.set_exception(_died(request, is_its_doing=True))

    def break_up(self, live: LiveWorker) -> None:
        """A batch takes too long: its worker is to be ended, and each is answered alone."""
        live.is_condemned = True
        self._one_by_one(live.batch)
        for request in live.batch:
            request.lets_others_pass = True

    def put_last(self, live: LiveWorker) -> None:
        """A request takes too long: its worker is to be ended, and others are answered before."""
        live.is_condemned, live.puts_last = True, live.request

    def _one_by_one(self, batch: list[Request]) -> None:
        self._on_batch_death(batch[0].model)
        for request in batch:
            request.batch = None
            request.attempts = 0

    def _again(self, *requests: Request) -> None:
        """Have other workers answer requests to one model, in their order, where that may be."""
        waiting = []
        for request in requests:
            if request.is_over:
                continue
            if request.has_begun:
                request.answer.set_exception(_died(request, is_its_doing=True))
            elif request.attempts < MOST_ATTEMPTS:
                waiting.append(request)
            else:
                request.answer.set_exception(_died(request, is_its_doing=False))
        self.submit_again(*waiting)


def _passed_on(live: LiveWorker, part: Part) -> bool:
    """Pass a part on to whoever wants it; False: nobody does, before the answer is whole."""
    request = live.request
    if request is None or request.parts is None:
        return False
    if not request.is_over:
        request.parts.put(part.body, part.headers, live.started.door)
    return True


def _died(request: Request, *, is_its_doing: bool) -> ModelFailed:
    target = request.artifact.target
    if is_its_doing:
        return ModelFailed(target, NO_ANSWER, "The worker ended while it computed the answer")
    reason = f"{request.attempts} workers ended before they computed the answer"
    return ModelFailed(target, NO_ANSWER, reason)
