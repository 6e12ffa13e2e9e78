"""A stream of frames to a client that stays: how it comes, and how it ends."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import pytest

from mme.endpoints.serving import Serving
from mme.gateway import make_app, server_sent
from tests.support.fake_engine import served

FRAME = server_sent.frame("events", ["ü"], 7)


@pytest.fixture
async def ended() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture
async def server(settings, engine, bodies, ended):
    """One with a stream that has no end of its own, and one that has."""

    async def endless():
        try:
            yield FRAME
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def short():
        yield FRAME
        yield FRAME

    async def stream_endless(call):
        return await server_sent.stream(call, endless())

    async def stream_short(call):
        return await server_sent.stream(call, short())

    more = [("GET", "/endless", stream_endless), ("GET", "/short", stream_short)]
    return make_app(settings, engine, Serving(settings, engine), bodies, more=more)


async def test_frames_come_as_the_standard_has_them(server):
    async with served(server) as running, running.client.get("/short") as answer:
        assert answer.content_type == "text/event-stream"
        assert (await answer.read()).decode() == 'id: 7\nevent: events\ndata: ["ü"]\n\n' * 2


async def test_an_endpoint_that_stops_waits_for_no_stream(server, ended):
    async with aiohttp.ClientSession() as client:
        async with served(server, drain_timeout_s=20) as running:
            answer = await client.get(f"{running.url}/endless")
            assert await answer.content.readuntil(b"\n\n") == FRAME
            began_s = time.monotonic()
        assert await answer.read() == b""
        assert ended.is_set()
        assert time.monotonic() - began_s < 5


async def test_the_head_of_a_stream_ends(server):
    async with served(server) as running, running.client.head("/endless") as answer:
        assert answer.content_type == "text/event-stream"
        assert await answer.read() == b""


async def test_there_are_so_many_streams_at_a_time_and_one_that_ends_makes_room(
    server, ended, monkeypatch
):
    monkeypatch.setattr(server_sent, "MOST", 1)
    async with served(server) as running:
        async with running.client.get("/endless") as first:
            assert await first.content.readuntil(b"\n\n") == FRAME
            async with running.client.get("/short") as second:
                assert second.status == 503
                assert "1 streams are open" in (await second.json())["Message"]
            first.close()
            await ended.wait()
        async with running.client.get("/short") as third:
            assert await third.read() == FRAME * 2
