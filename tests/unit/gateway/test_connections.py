"""Connections: their number, their patience, and that nothing of a failed request stays."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from functools import partial

import pytest
from aiohttp.streams import StreamReader

from mme.core import errors
from mme.gateway import BodyBudget
from mme.gateway import bodies as bodies_module
from mme.gateway import connections as connections_module
from mme.gateway.access import RareLines
from mme.gateway.connections import Patience, most_connections
from mme.gateway.exchange import Exchange
from mme.gateway.single import SINGLE_ERRORS, SingleSurface
from tests.support.fake_engine import Answer, served, until

ASK = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
MOST = 8


def with_patience(settings, engine, bodies, **patience):
    routes = SingleSurface(settings, engine).routes()
    return Exchange(routes, SINGLE_ERRORS, bodies).server(Patience(**patience))


@pytest.fixture
def quick(monkeypatch):
    """A look every few milliseconds."""
    monkeypatch.setattr(connections_module, "LOOK_EVERY_S", 0.005)


async def opened(served_one, sent: bytes = b""):
    reader, writer = await asyncio.open_connection("127.0.0.1", served_one.port)
    writer.write(sent)
    return reader, writer


async def ended(reader) -> bytes:
    """What came until the server closed."""
    try:
        return await asyncio.wait_for(reader.read(), 5)
    except ConnectionError:
        return b""


@pytest.mark.hostile("HTTP")
@pytest.mark.parametrize(
    ("sent", "patience"),
    [
        (b"", {"head_s": 0.02}),
        (b"GET /ping HT", {"head_s": 0.02}),
        (b"GET /ping HTTP/1.1\r\nHost: x\r\nX: y", {"head_s": 0.02}),
        (b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n", {"idle_s": 0.02}),
        (b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\nGET /pi", {"idle_s": 0.02}),
    ],
    ids=["silent", "half a line", "half a head", "idle after an answer", "half a second head"],
)
async def test_who_says_nothing_more_is_left_after_a_while(  # noqa: PLR0917
    settings, sole, bodies, quick, sent, patience
):
    async with served(with_patience(settings, sole, bodies, connections=9, **patience)) as single:
        reader, writer = await opened(single, sent)
        answered = await ended(reader)
        assert answered.count(b"HTTP/1.1 ") == sent.count(b"\r\n\r\n")
        writer.close()


@pytest.mark.hostile("HTTP")
async def test_a_head_that_trickles_in_is_given_up_though_it_never_stops(
    settings, sole, bodies, quick
):
    server = with_patience(settings, sole, bodies, connections=9, head_s=0.05)
    async with served(server) as single:
        reader, writer = await opened(single, b"GET /ping HTTP/1.1\r\n")

        async def trickle() -> None:
            while True:
                writer.write(b"X: y\r\n")
                await asyncio.sleep(0.005)

        trickling = asyncio.create_task(trickle())
        assert await ended(reader) == b""
        trickling.cancel()
        writer.close()


async def test_a_request_that_takes_long_is_not_mistaken_for_a_silent_client(
    settings, sole, bodies, quick
):
    sole.is_hanging = True
    server = with_patience(settings, sole, bodies, connections=9, head_s=0.01, idle_s=0.01)
    async with served(server) as single:
        reader, writer = await opened(single, ASK % 1 + b"x")
        await sole.begun.wait()
        await asyncio.sleep(0.05)
        sole.release.set()
        assert b" 200 " in await reader.readline()
        writer.close()


@pytest.mark.hostile("HTTP")
async def test_an_answer_that_nobody_reads_is_given_up_and_counts_until_then(
    settings, sole, bodies, quick
):
    sole.answer = Answer(body=b"x" * (32 << 20))
    server = with_patience(settings, sole, bodies, connections=9, reading_s=0.05)
    async with served(server) as single:
        _reader, writer = await asyncio.open_connection("127.0.0.1", single.port, limit=1024)
        writer.write(ASK % 1 + b"x")
        await until(lambda: bodies.held_bytes >= 32 << 20)
        async with single.client.post("/invocations", data=b"x") as answer:
            assert answer.status == 503
        await until(lambda: not bodies.held_bytes)
        writer.close()


@pytest.mark.hostile("HTTP")
@pytest.mark.parametrize(
    "sent", [b"", b"GET /ping HT", ASK % 9, ASK % 9 + b"x"], ids=["silent", "head", "body", "byte"]
)
async def test_however_many_keep_their_connections_waiting_others_get_through(
    settings, sole, bodies, sent
):
    async with served(with_patience(settings, sole, bodies, connections=MOST)) as single:
        first = [await opened(single, sent) for _ in range(5 * MOST)]
        async with single.client.get("/ping") as answer:
            assert answer.status == 200
        await until(lambda: sum(not r.at_eof() and r.exception() is None for r, _ in first) <= MOST)
        for _, writer in first:
            writer.close()


async def test_those_that_wait_longest_leave_first(settings, sole, bodies):
    async with served(with_patience(settings, sole, bodies, connections=MOST)) as single:
        rest = [await opened(single) for _ in range(MOST)]
        for number in range(3):
            async with single.client.get("/ping") as answer:
                assert answer.status == 200, number
        await asyncio.wait_for(ended(rest[0][0]), 5)
        assert not rest[-1][0].at_eof()
        for _, writer in rest:
            writer.close()


@pytest.mark.hostile("HTTP")
async def test_where_all_are_being_answered_one_more_is_told_to_come_again(settings, sole, bodies):
    sole.is_hanging = True
    async with served(with_patience(settings, sole, bodies, connections=2)) as single:
        asked = [await opened(single, ASK % 1 + b"x") for _ in range(2)]
        await until(lambda: len(sole.asked) == 2)
        reader, writer = await opened(single)
        refused = await ended(reader)
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"ServiceUnavailable" in refused
        assert b"x-amzn-requestid: " in refused.lower()
        writer.close()
        sole.release.set()
        for reader, writer in asked:
            assert b" 200 " in await reader.readline()
            writer.close()


@pytest.mark.parametrize(
    ("wanted", "most"), [(None, 500), (100, 100), (5000, 500), (1, 1)], ids=str
)
def test_descriptors_are_left_for_all_else(monkeypatch, wanted, most):
    monkeypatch.setattr("resource.getrlimit", lambda _: (1000, 1000))
    assert most_connections(wanted) == most


def test_what_any_client_can_cause_is_told_once_a_second(caplog):
    caplog.set_level(logging.INFO)
    now_s = [0.0]
    rare = RareLines(lambda: now_s[0])
    for _ in range(1000):
        rare.write("nonsense came")
    now_s[0] = 1.5
    rare.write("nonsense came")
    assert caplog.messages == ["nonsense came", "nonsense came (and 999 like it)"]


@pytest.mark.hostile("HTTP")
async def test_rubbish_by_the_thousand_is_one_line(surface, caplog):
    caplog.set_level(logging.INFO)
    for _ in range(100):
        await surface.served.raw(b"\x16\x03\x01 rubbish\r\n\r\n")
    assert 1 <= len(caplog.records) <= 3


@pytest.mark.hostile("HTTP")
async def test_a_body_that_comes_too_slowly_is_given_up(settings, sole, bodies, monkeypatch):
    monkeypatch.setattr(bodies_module, "FIRST_TIMEOUT_S", 0.02)
    async with served(with_patience(settings, sole, bodies, connections=9)) as single:
        reader, writer = await opened(single, ASK % 100_000)

        async def trickle() -> None:
            while True:
                writer.write(b"x")
                await asyncio.sleep(0.005)

        trickling = asyncio.create_task(trickle())
        assert b" 400 " in await asyncio.wait_for(reader.readline(), 5)
        trickling.cancel()
        assert bodies.held_bytes == 0
        writer.close()


def test_memory_goes_back_to_the_system_once_after_much_was_held(monkeypatch):
    trims = []

    class Libc:
        def malloc_trim(self, pad: int) -> None:
            trims.append(pad)

    monkeypatch.setattr(bodies_module, "_LIBC", Libc())
    budget = BodyBudget(1 << 30)
    budget.take(bodies_module.GROWN_BYTES)
    budget.trim()
    assert trims == []
    budget.give_back(bodies_module.GROWN_BYTES)
    assert budget.is_grown
    budget.trim()
    budget.trim()
    assert trims == [0]


def test_what_was_held_still_goes_back_when_it_is_given_back(monkeypatch):
    trims = []

    class Libc:
        def malloc_trim(self, pad: int) -> None:
            trims.append(pad)

    monkeypatch.setattr(bodies_module, "_LIBC", Libc())
    budget = BodyBudget(1 << 30)
    budget.take(bodies_module.GROWN_BYTES + 5)
    budget.give_back(bodies_module.GROWN_BYTES)
    budget.trim()
    budget.give_back(5)
    budget.trim()
    assert trims == [0, 0]
    budget.trim()
    assert trims == [0, 0]
    assert not budget.is_grown


class Large:
    """Something in a frame, which can be seen to be gone."""


class Seen:
    """What has been made, and whether any of it is left without a collection of cycles."""

    def __init__(self) -> None:
        self._made: list[weakref.ref[object]] = []

    def note(self, thing: object) -> None:
        self._made.append(weakref.ref(thing))

    def __len__(self) -> int:
        return len(self._made)

    def left(self) -> int:
        return sum(each() is not None for each in self._made)


@pytest.fixture
def seen():
    gc.collect()
    gc.disable()
    yield Seen()
    gc.enable()


FAILURES = {
    "InvalidRequest": lambda: errors.InvalidRequest("no"),
    "ModelFailed": lambda: errors.ModelFailed("m", 0, "gone"),
    "LoadFailed": lambda: errors.LoadFailed("m", 507, "no room"),
    "NoDiskSpace": lambda: errors.NoDiskSpace("/cache", "m"),
    "StoreUnavailable": lambda: errors.StoreUnavailable("s3://b/m", "no"),
    "Busy": lambda: errors.Busy("m", 3),
    "ZeroDivisionError": lambda: ZeroDivisionError("of ours"),
    "OSError": lambda: OSError(28, "no space left"),
}


@pytest.mark.hostile("requests to models")
@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
async def test_nothing_of_a_request_that_failed_stays_without_a_collection(
    surface, failure, seen, monkeypatch
):
    async def ask(*_: object) -> Answer:
        large = Large()
        seen.note(large)
        try:
            raise KeyError("inner")  # noqa: TRY301
        except KeyError as error:
            inner = error  # a cycle: the error has this frame, which has the error
        outer = failure()
        raise outer from inner

    monkeypatch.setattr(surface.engine, "ask", ask)
    monkeypatch.setattr("mme.gateway.exchange.log.disabled", True)  # tests keep what is logged
    for _ in range(200):
        async with surface.invoke(data=b"x") as answer:
            assert answer.status >= 400
    assert (len(seen), seen.left()) == (200, 0)


@pytest.mark.hostile("HTTP")
async def test_nothing_of_bodies_that_broke_off_stays_without_a_collection(
    surface, bodies, seen, monkeypatch
):
    readany = StreamReader.readany

    class Piece(bytearray):
        """A piece of a body, of a type that can be referred to weakly."""

    async def piece_of(self) -> bytes:
        piece = Piece(await readany(self))
        seen.note(piece)
        return piece  # type: ignore[return-value] # it is as good

    monkeypatch.setattr(StreamReader, "readany", piece_of)
    head = (
        f"POST {surface.invoke_path} HTTP/1.1\r\nHost: x\r\nX-Amzn-SageMaker-Target-Model: m\r\n"
        "Content-Length: 500000\r\n\r\n"
    )
    for number in range(20):
        _, writer = await opened(surface.served, head.encode() + b"x" * 100_000)
        await until(partial(_has_begun, bodies, seen, number + 1))
        writer.transport.abort()
        await until(lambda: not bodies.held_bytes)
    await until(lambda: not seen.left())


def _has_begun(bodies: BodyBudget, seen: Seen, count: int) -> bool:
    return bool(bodies.held_bytes) and len(seen) >= count


CHUNKED = b"POST /invocations HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.hostile("HTTP")
@pytest.mark.parametrize("is_with_the_head", [True, False])
async def test_a_body_of_tiny_chunks_is_broken_off_soon(settings, sole, bodies, is_with_the_head):
    tiny = b"1\r\na\r\n" * 200_000
    async with served(with_patience(settings, sole, bodies, connections=9)) as single:
        reader, writer = await opened(single, CHUNKED + tiny if is_with_the_head else CHUNKED)
        if not is_with_the_head:
            await asyncio.sleep(0)
            writer.write(tiny)
        answered = await ended(reader)
        assert answered.startswith(b"HTTP/1.1 400") or not answered
        writer.close()


@pytest.mark.parametrize("size", [64, 4096])
async def test_a_body_of_usual_chunks_is_read_whole(settings, sole, bodies, size):
    chunk = b"%x\r\n%s\r\n" % (size, b"x" * size)
    async with served(with_patience(settings, sole, bodies, connections=9)) as single:
        reader, writer = await opened(single, CHUNKED + chunk * (500_000 // size) + b"0\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()
