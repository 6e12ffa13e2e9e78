"""What an endpoint does and has done: its state in numbers, events, why a model is as it is."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import TYPE_CHECKING

from mme.core.errors import InvalidRequest
from mme.core.events import KINDS, MOST_ASKED
from mme.gateway import server_sent
from mme.gateway.errors import json_answer
from mme.gateway.openapi import Parameter, Result, described
from mme.gateway.openapi.schemas import one_of, ref
from mme.gateway.paging import limit_of
from mme.gateway.views_json import event_json, iso, model_json, status_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from aiohttp import web

    from mme.gateway.engine import Observable
    from mme.gateway.exchange import Call
    from mme.gateway.pipelines import PipelineViews
    from mme.gateway.routing import Route

SEEING = "seeing"
STATUS_S = 1.0
MOST_MODELS = 100
"""So many models that changed are told in one frame, the others in the next ones: each costs the
endpoint a tenth of a millisecond for every client that follows."""
WHY_EVENTS = 20


class Seeing:
    """Handlers of the routes that only show; `facts` are added to the state (mode, version, …)."""

    def __init__(
        self, engine: Observable, facts: dict[str, object], pipelines: PipelineViews | None = None
    ) -> None:
        self._engine = engine
        self._pipelines = pipelines
        self._facts = facts
        self._began_s = time.monotonic()
        self._started_at = iso(time.time())

    def routes(self) -> list[Route]:
        """The routes of this surface."""
        return [
            ("GET", "/status", self.status),
            ("GET", "/events", self.events),
            ("GET", "/models/{target...}/why", self.why),
        ]

    @described(Result("The state.", ref("Status")), tag=SEEING)
    async def status(self, _: Call) -> web.Response:
        """Health, room and who takes it, work, counts."""
        return json_answer(self._status())

    @described(
        Result("Why it is so.", one_of(ref("Why"), ref("WhyPipeline"))), failures=(530,), tag=SEEING
    )
    async def why(self, call: Call) -> web.Response:
        """Why a model is in its state, and what happened to it last; of a pipeline, its models."""
        if self._pipelines is not None and call.name in self._pipelines:
            return json_answer(await self._pipelines.why(call.name))
        view, sentence = await self._engine.explain(call.name)
        events = self._engine.observed.events.latest(target=view.target, limit=WHY_EVENTS)
        content = {
            "target_model": view.target,
            "state": view.state.value,
            "why": sentence,
            "events": [event_json(event) for event in events],
        }
        return json_answer(content)

    @described(
        Result(
            "Events, oldest first; as a stream to those who accept one.",
            ref("Events"),
        ),
        parameters=(
            Parameter("after", "Only those after the event of this id.", {"type": "integer"}),
            Parameter("limit", "How many.", {"type": "integer", "minimum": 1, "maximum": 1000}),
            Parameter("target", "Only those about this target model."),
            Parameter("kind", f"Comma list of {', '.join(KINDS)}."),
            Parameter("status", "In a stream, the state of the endpoint as well."),
            Parameter("models", "In a stream, the models that change as well."),
        ),
        tag=SEEING,
    )
    async def events(self, call: Call) -> web.StreamResponse:
        """The last events, those after one, or a stream of them."""
        query, events = call.request.query, self._engine.observed.events
        target, kinds = query.get("target", ""), _kinds_in(query.get("kind", ""))
        after = server_sent.last_id_of(call)
        if server_sent.is_wanted(call.request.headers):
            start = events.last_id if after is None else after
            frames = self._frames(
                start, target, kinds, "status" in query, with_models="models" in query
            )
            return await server_sent.stream(call, frames)
        limit = limit_of(query.get("limit"))
        found = (
            events.latest(target=target, kinds=kinds, limit=limit)
            if after is None
            else events.after(after, target=target, kinds=kinds, limit=limit)
        )
        return json_answer(
            {
                "events": [event_json(event) for event in found],
                "last_id": found[-1].id if len(found) == limit else events.last_id,
            }
        )

    async def _frames(
        self,
        after: int,
        target: str,
        kinds: frozenset[str],
        with_status: bool,
        *,
        with_models: bool,
    ) -> AsyncIterator[bytes]:
        """Frames as something happens, at most two of events a second and one of the state."""
        events = self._engine.observed.events
        told: dict[str, object] = {}
        status_at_s, seen_at = 0.0, time.time()
        changed: dict[str, None] = {}
        while True:
            last_id = events.last_id
            found = events.after(after, target=target, kinds=kinds, limit=MOST_ASKED)
            # What is of no interest is not gone through again.
            after = found[-1].id if len(found) == MOST_ASKED else max(after, last_id)
            if found:
                yield server_sent.frame(
                    "events", [event_json(each) for each in found], found[-1].id
                )
                if with_models:
                    changed.update((event.target, None) for event in found if event.target)
            if with_status and time.monotonic() >= status_at_s:
                status_at_s = time.monotonic() + STATUS_S
                status = self._status()
                if _but_for_time(status) != told:
                    told = _but_for_time(status)
                    yield server_sent.frame("status", status)
            if with_models:
                used = self._engine.observed.statistics.used_since(seen_at)
                seen_at = time.time()
                changed.update((each.target, None) for each in used)
                told_now = list(itertools.islice(changed, MOST_MODELS))
                if models := self._models(told_now):
                    yield server_sent.frame("models", models)
                for each in told_now:
                    del changed[each]
            await asyncio.sleep(server_sent.PAUSE_S)
            if not with_status and not with_models and events.last_id <= after:
                await events.changed()

    def _models(self, targets: Iterable[str]) -> list[dict[str, object]]:
        views = (self._engine.here(target) for target in targets)
        return [model_json(view) for view in views if view is not None]

    def _status(self) -> dict[str, object]:
        engine = self._engine
        return {
            **self._facts,
            "store": {"uri": engine.store_uri, "error": engine.store_error},
            "started_at": self._started_at,
            "uptime_s": round(time.monotonic() - self._began_s, 1),
            **status_json(engine.states.now(), engine.observed),
        }


def _but_for_time(status: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in status.items() if key != "uptime_s"}


def _kinds_in(text: str) -> frozenset[str]:
    kinds = frozenset(part for part in text.split(",") if part)
    if unknown := kinds.difference(KINDS):
        raise InvalidRequest(f"kind={min(unknown)[:40]!r} is none of {', '.join(sorted(KINDS))}")
    return kinds
