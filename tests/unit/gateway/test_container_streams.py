"""Containers pass on what a model yields as it comes: in chunks, as the platform reads streams."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from mme.core.errors import ModelFailed
from tests.support.fake_engine import Answer

pytestmark = pytest.mark.parametrize("surface", ["platform", "single"], indirect=True)


async def test_what_a_model_yields_leaves_before_the_end(surface):
    surface.engine.pieces, surface.engine.is_hanging = [b"one", b"two"], True
    surface.engine.answer = Answer(body=b"three")
    async with surface.invoke() as answer:
        assert answer.headers["Transfer-Encoding"] == "chunked"
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["x-amzn-RequestId"]
        assert await answer.content.readexactly(6) == b"onetwo"
        surface.engine.release.set()
        assert await answer.read() == b"three"


async def test_a_whole_answer_has_a_length(surface):
    surface.engine.answer = Answer(body=b"three")
    async with surface.invoke() as answer:
        assert answer.headers["Content-Length"] == "5"
        assert await answer.read() == b"three"


@pytest.mark.parametrize(
    ("given", "failure"),
    [(Answer(503), None), (Answer(), ModelFailed("m", 0, "gone")), (Answer(), RuntimeError("no"))],
)
async def test_an_answer_that_breaks_off_breaks_the_connection(surface, given, failure):
    surface.engine.pieces, surface.engine.answer = [b"one"], given
    surface.engine.failure = failure
    async with surface.invoke() as answer:
        assert answer.status == 200
        with pytest.raises(aiohttp.ClientError):
            await answer.read()
    surface.engine.pieces, surface.engine.failure = [], None
    surface.engine.answer = Answer()
    async with surface.invoke() as answer:
        assert answer.status == 200


async def test_a_caller_that_leaves_ends_the_work(surface):
    surface.engine.pieces, surface.engine.is_hanging = [b"one"], True
    async with surface.invoke() as answer:
        await answer.content.readexactly(3)
        answer.close()
    async with asyncio.timeout(5):
        await surface.engine.cancelled.wait()
