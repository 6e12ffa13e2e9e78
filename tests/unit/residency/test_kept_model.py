"""The one model of a container: loaded again when it has no worker, given up when it keeps failing.

The model is a fake that answers or fails as it is told.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from mme.core.answer import Answer
from mme.core.errors import Busy, EndpointError, LoadFailed, ModelFailed, ModelTimedOut
from mme.core.terms import PLAIN, Terms
from mme.residency.kept_model import MOST_FAILURES, KeptModel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DIED = ModelFailed("model", 0, "The worker ended while it computed")
TIMED_OUT = ModelTimedOut("model", 60)


@dataclass
class FakeModel:
    """Fails with what `errors` hold, one after the other; then it answers."""

    errors: Iterator[EndpointError] = field(default_factory=lambda: iter(()))
    workers: int = 2
    has_worker: bool = True
    ready: bool = True
    loads: int = 0
    loaded: asyncio.Event = field(default_factory=asyncio.Event)

    async def load(self) -> None:
        self.loads += 1
        self.loaded.set()
        for error in self.errors:
            raise error
        self.has_worker = True

    async def invoke(self, headers: Mapping[str, str], body: bytes, terms: Terms = PLAIN) -> Answer:
        del terms
        del headers
        for error in self.errors:
            raise error
        return Answer(200, {}, body, cold=False)

    async def is_ready(self, timeout_s: float) -> bool:
        del timeout_s
        return self.ready


def fails(*errors: EndpointError) -> FakeModel:
    return FakeModel(iter(errors))


async def ask(kept: KeptModel, times: int = 1) -> None:
    for _ in range(times):
        with contextlib.suppress(EndpointError):
            await kept.invoke({}, b"x")


async def test_answers_and_errors_go_through():
    kept = KeptModel(fails(DIED))
    with pytest.raises(ModelFailed) as raised:
        await kept.invoke({}, b"x")
    assert raised.value is DIED
    assert (await kept.invoke({}, b"x")).body == b"x"
    assert kept.workers == 2


async def test_a_model_that_gives_no_answer_several_times_in_a_row_is_given_up_once():
    kept = KeptModel(fails(*[DIED] * (MOST_FAILURES + 1)))
    await ask(kept, MOST_FAILURES - 1)
    assert not kept.gave_up.is_set()
    await ask(kept)
    assert kept.gave_up.is_set()
    told = kept.failure
    assert told == f"the model failed {MOST_FAILURES} times in a row: {DIED.body}"
    await ask(kept)
    assert kept.failure == told


async def test_one_answer_between_failures_makes_up_for_them():
    model = fails(*[DIED] * (MOST_FAILURES - 1))
    kept = KeptModel(model)
    await ask(kept, MOST_FAILURES)
    model.errors = iter([DIED] * (MOST_FAILURES - 1))
    await ask(kept, MOST_FAILURES)
    assert not kept.gave_up.is_set()


@pytest.mark.parametrize("error", [TIMED_OUT, Busy("model", 9)])
async def test_slow_requests_and_a_full_queue_are_no_failures_of_the_model(error):
    kept = KeptModel(fails(*[error] * MOST_FAILURES))
    await ask(kept, MOST_FAILURES)
    assert not kept.gave_up.is_set()


async def test_a_model_without_a_worker_is_not_ready_and_is_loaded_again_once():
    model = FakeModel(has_worker=False)
    kept = KeptModel(model)
    assert [await kept.is_ready(1), await kept.is_ready(1)] == [False, False]
    await model.loaded.wait()
    assert await kept.is_ready(1)
    assert model.loads == 1
    await kept.close()


async def test_a_model_that_cannot_be_loaded_again_is_given_up():
    model = fails(*[LoadFailed("model", 500, "no such file")] * MOST_FAILURES)
    model.has_worker = False
    kept = KeptModel(model)
    for _ in range(MOST_FAILURES):
        model.loaded.clear()
        assert not await kept.is_ready(1)
        await model.loaded.wait()
    await kept.gave_up.wait()
    assert kept.failure is not None
    assert kept.failure.endswith("no such file")
    await kept.close()


async def test_while_requests_cannot_be_taken_nothing_is_loaded():
    model = FakeModel(ready=False, has_worker=False)
    kept = KeptModel(model)
    assert not await kept.is_ready(1)
    assert model.loads == 0
    assert not kept.gave_up.is_set()
