"""A trace that an endpoint has answered, replayed: the planner comes to what the endpoint had."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import defaultdict, deque
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.traffic import _answer, _connect
from benchmarks.workload import Model, exchanges
from mme.planning.machine import Machine
from mme.planning.measuring import measured, observed
from mme.planning.simulate import simulate
from mme.planning.trace import Trace
from tests.support.endpoint import PROJECT, running_endpoint

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from mme.planning.measuring import Observed

MODELS, REQUESTS, RATE, RESIDENT = 24, 400, 15.0, 4
OK = 200
WITHIN = 0.15


def filled(store: Path) -> list[Model]:
    """Copies of one artifact under many names."""
    store.mkdir()
    models = [Model(f"Search-{number}.tar.gz", "Search") for number in range(MODELS)]
    shutil.copy(PROJECT / "artifacts" / "Search.tar.gz", store / models[0].target)
    for model in models[1:]:
        (store / model.target).hardlink_to(store / models[0].target)
    return models


async def asked(url: str, models: list[Model], order: list[int], at_s: list[float]) -> list[float]:
    """Send each at its time, whatever became of those before; returns when each was sent."""
    messages = [exchanges(url, model)[0].message for model in models]
    host, port = url.removeprefix("http://").split(":")
    sent_s = [0.0] * len(order)
    began_s = time.perf_counter()

    async def ask(index: int) -> None:
        reader, writer = await _connect((host, int(port)))
        sent_s[index] = time.perf_counter() - began_s
        writer.write(messages[order[index]])
        try:
            status, _, _ = await _answer(reader)
        finally:
            writer.close()
            await writer.wait_closed()
        assert status == OK

    async with asyncio.TaskGroup() as tasks:
        for index, due_s in enumerate(at_s):
            await asyncio.sleep(max(0.0, began_s + due_s - time.perf_counter()))
            tasks.create_task(ask(index))
    return sent_s


def trace_of(
    requests: list[Observed], models: list[Model], order: NDArray[np.int32], at_s: list[float]
) -> Trace:
    """What was sent when, with how long the endpoint says each was computed."""
    by_model: dict[str, deque[Observed]] = defaultdict(deque)
    for each in requests:
        by_model[each.model].append(each)
    names = [model.target for model in models]
    took_s = [by_model[names[model]].popleft().model_s for model in order]
    return Trace(np.array(at_s), order, names, np.array(took_s, np.float32))


def test_a_replayed_trace_has_the_hit_ratio_that_the_endpoint_had(tmp_path: Path) -> None:
    models = filled(tmp_path / "store")
    random = np.random.default_rng(7)
    share = 1 / np.arange(1, MODELS + 1)
    order = random.choice(MODELS, size=REQUESTS, p=share / share.sum()).astype(np.int32)
    at_s = np.cumsum(random.exponential(1 / RATE, REQUESTS)).tolist()
    settings = {
        "MME_LOG_FORMAT": "json", "MME_RESIDENT_MODELS": str(RESIDENT),
        "MME_POOL_MIN": "2", "MME_POOL_MAX": "2", "MME_READY_TIMEOUT_S": "120",
    }  # fmt: skip
    with running_endpoint(str(tmp_path / "store"), tmp_path, settings) as endpoint:
        # All of them are on the disk first: how long they take to come in is another question.
        asyncio.run(asked(endpoint.url, models, list(range(MODELS)), [0.0] * MODELS))
        sent_s = asyncio.run(asked(endpoint.url, models, order.tolist(), at_s))
    requests = observed(endpoint.log_lines)[MODELS:]
    assert len(requests) == REQUESTS
    trace = trace_of(requests, models, order, sent_s)
    machine = Machine(pool_min=2, pool_max=2, resident_models=RESIDENT, starts_admitted=True)
    outcome = simulate([trace], measured(requests, {}), machine)
    hit_ratio = sum(each.outcome == "warm" for each in requests) / REQUESTS
    assert 0.2 < hit_ratio < 0.95
    assert abs(outcome.hit_ratio / hit_ratio - 1) < WITHIN
