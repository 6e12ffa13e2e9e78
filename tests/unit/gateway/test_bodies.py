"""Bodies: their limits, one by one and together, however they come."""

from __future__ import annotations

import asyncio
import gzip
import io

import pytest

from mme.core.errors import Overloaded
from mme.gateway import BodyBudget
from mme.gateway import bodies as bodies_module
from mme.gateway.bodies import Share
from tests.support.fake_engine import until

LIMIT = 1024 * 1024
"""Of one body; all together may hold twice as much (conftest.py)."""


async def pieces(total: int, size: int = 100_000):
    """A body of no announced length."""
    for start in range(0, total, size):
        yield b"x" * min(size, total - start)


async def invoke(surface, body, **headers):
    # Large bytes as they are would earn a warning of the client's.
    body = io.BytesIO(body) if isinstance(body, bytes) else body
    async with surface.invoke(data=body, headers=headers) as answer:
        return answer.status, await answer.text()


def too_large(surface) -> int:
    return 400 if surface.message_key == "Message" else 413


@pytest.mark.parametrize("size", [0, 1, 70_000, LIMIT])
async def test_a_body_comes_whole_with_a_length_and_in_chunks(surface, bodies, size):
    for body in (b"x" * size, pieces(size)):
        assert (await invoke(surface, body))[0] == 200
        assert surface.engine.asked[-1].body == b"x" * size
    assert bodies.held_bytes == 0


async def test_one_byte_more_is_refused_with_a_length_and_in_chunks(surface, bodies):
    for body in (b"x" * (LIMIT + 1), pieces(LIMIT + 1)):
        status, text = await invoke(surface, body)
        assert status == too_large(surface)
        assert str(LIMIT) in text
    assert surface.engine.asked == []
    assert bodies.held_bytes == 0


async def test_what_is_announced_too_large_is_not_read(surface):
    head = (
        f"POST {surface.invoke_path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"X-Amzn-SageMaker-Target-Model: m\r\nContent-Length: {10**18}\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", surface.served.port)
    writer.write(head.encode())
    assert f" {too_large(surface)} ".encode() in await reader.readline()
    writer.close()
    await writer.wait_closed()


async def test_a_packed_body_counts_by_what_it_holds(surface):
    packed = gzip.compress(b"x" * (LIMIT + 1))
    assert len(packed) < 10_000
    assert (await invoke(surface, packed, **{"Content-Encoding": "gzip"}))[0] == too_large(surface)
    few = gzip.compress(b"few")
    assert (await invoke(surface, few, **{"Content-Encoding": "gzip"}))[0] == 200
    assert surface.engine.asked[-1].body == b"few"


async def test_a_packed_body_that_is_broken_is_the_callers_fault(surface):
    broken = gzip.compress(b"x" * 1000)[:-500] + b"y" * 100
    status, _ = await invoke(surface, b"no gzip" + broken, **{"Content-Encoding": "gzip"})
    assert status == 400
    assert surface.engine.asked == []


async def test_bodies_together_hold_no_more_than_the_budget_until_they_are_answered(
    surface, bodies
):
    surface.engine.is_hanging = True
    first = [asyncio.create_task(invoke(surface, b"x" * LIMIT)) for _ in range(2)]
    await until(lambda: len(surface.engine.asked) == 2)
    assert bodies.held_bytes == 2 * LIMIT
    for body in (b"x", pieces(1)):
        status, text = await invoke(surface, body)
        assert status == 503
        assert str(2 * LIMIT) in text
    surface.engine.release.set()
    assert [status for status, _ in await asyncio.gather(*first)] == [200, 200]
    assert bodies.held_bytes == 0
    assert (await invoke(surface, b"x" * LIMIT))[0] == 200


async def test_a_body_is_paid_for_as_it_comes_and_one_that_would_not_fit_is_not_read(
    surface, bodies
):
    head = (
        f"POST {surface.invoke_path} HTTP/1.1\r\nHost: x\r\n"
        f"X-Amzn-SageMaker-Target-Model: m\r\nContent-Length: {LIMIT}\r\n\r\n"
    ).encode()
    begun = [await asyncio.open_connection("127.0.0.1", surface.served.port) for _ in range(9)]
    for _, writer in begun:
        writer.write(head + b"x" * 100)
    await until(lambda: bodies.held_bytes == 9 * 100)
    assert (await invoke(surface, b"x" * LIMIT))[0] == 200  # nothing is kept for what may come
    for _, writer in begun[:2]:
        writer.write(b"x" * (LIMIT - 2000))
    await until(lambda: bodies.held_bytes == 2 * (LIMIT - 1900) + 7 * 100)
    reader, writer = await asyncio.open_connection("127.0.0.1", surface.served.port)
    writer.write(head)
    assert b" 503 " in await reader.readline()
    writer.close()
    for _, writer in begun:
        writer.close()
        await writer.wait_closed()
    await until(lambda: not bodies.held_bytes)
    assert len(surface.engine.asked) == 1


async def test_what_a_failed_request_held_is_given_back(surface, bodies):
    surface.engine.failure = RuntimeError("of ours")
    assert (await invoke(surface, b"x" * LIMIT))[0] == 500
    assert bodies.held_bytes == 0


async def test_a_body_that_does_not_come_in_time_is_given_up(surface, bodies, monkeypatch):
    monkeypatch.setattr(bodies_module, "FIRST_TIMEOUT_S", 0.01)
    head = (
        f"POST {surface.invoke_path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        "X-Amzn-SageMaker-Target-Model: m\r\nContent-Length: 9\r\n\r\nx"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", surface.served.port)
    writer.write(head.encode())
    assert b" 400 " in await reader.readline()
    assert bodies.held_bytes == 0
    writer.close()
    await writer.wait_closed()


async def test_a_client_that_waits_to_be_told_so_is_told_to_send_its_body(surface):
    head = (
        f"POST {surface.invoke_path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        "X-Amzn-SageMaker-Target-Model: m\r\nContent-Length: 3\r\nExpect: 100-Continue\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", surface.served.port)
    writer.write(head.encode())
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"a,b")
    assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
    assert surface.engine.asked[0].body == b"a,b"
    writer.close()
    await writer.wait_closed()


async def test_a_word_that_is_not_known_is_refused_though_the_body_came_with_the_head(surface):
    head = (
        f"POST {surface.invoke_path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        "X-Amzn-SageMaker-Target-Model: m\r\nContent-Length: 3\r\nExpect: cake\r\n\r\na,b"
    )
    assert (await surface.served.raw(head.encode())).startswith(b"HTTP/1.1 417 ")
    assert surface.engine.asked == []


@pytest.mark.parametrize(
    ("length", "expect", "status"), [(LIMIT + 1, "100-continue", None), (3, "cake", 417)]
)
async def test_a_client_whose_body_is_not_wanted_is_not_told_to_send_it(
    surface, length, expect, status
):
    head = (
        f"POST {surface.invoke_path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"X-Amzn-SageMaker-Target-Model: m\r\nContent-Length: {length}\r\nExpect: {expect}\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", surface.served.port)
    writer.write(head.encode())
    line = await reader.readline()
    assert f" {status or too_large(surface)} ".encode() in line
    writer.close()
    await writer.wait_closed()


def test_a_budget_gives_what_it_has_and_no_more():
    budget = BodyBudget(10)
    budget.take(10)
    with pytest.raises(Overloaded):
        budget.check(1)
    budget.give_back(4)
    budget.check(4)
    with pytest.raises(Overloaded):
        budget.check(5)


def test_a_share_can_be_given_back_twice():
    budget = BodyBudget(10)
    share = Share(budget)
    share._grow_to(7)
    share._grow_to(3)
    assert budget.held_bytes == 7
    share.give_back()
    share.give_back()
    assert budget.held_bytes == 0
