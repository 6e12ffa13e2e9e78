"""Answers written in one piece, and those that cannot be: the same to a client."""

from __future__ import annotations

import asyncio
from email.utils import parsedate_to_datetime

import pytest

from mme.gateway.reply import SMALL_BYTES
from tests.support.fake_engine import Answer

ASK = (
    "POST {path} HTTP/1.1\r\nHost: x\r\nX-Amzn-SageMaker-Target-Model: m\r\n{more}"
    "Content-Length: 1\r\n\r\nx"
)


def ask(surface, more="") -> bytes:
    return ASK.format(path=surface.invoke_path, more=more).encode()


def heads(answered: bytes) -> list[dict[str, str]]:
    """The headers of each answer, by name in lower case; bodies are told apart by nothing here."""
    found = []
    for part in answered.split(b"HTTP/1.1 ")[1:]:
        head = part.partition(b"\r\n\r\n")[0].decode()
        pairs = [line.split(": ", 1) for line in head.splitlines()[1:]]
        found.append({name.lower(): value for name, value in pairs} | {"status": head[:3]})
    return found


@pytest.mark.parametrize("status", [200, 201, 299])
async def test_an_answer_in_one_piece_is_what_aiohttp_would_write(surface, status):
    surface.engine.answer = Answer(status, {"content-type": "text/csv"}, b"1,2")
    at_once, prepared = heads(
        await surface.served.raw(ask(surface) + ask(surface, "Connection: close\r\n"))
    )
    assert at_once.pop("x-amzn-requestid") != prepared.pop("x-amzn-requestid")
    assert prepared.pop("connection") == "close"
    written = [parsedate_to_datetime(head.pop("date")) for head in (at_once, prepared)]
    assert abs((written[1] - written[0]).total_seconds()) <= 1
    assert at_once == prepared
    assert at_once["content-length"] == "3"
    assert at_once["status"] == str(status)


@pytest.mark.parametrize("size", [SMALL_BYTES, SMALL_BYTES + 1])
async def test_around_the_size_where_it_changes_answers_come_whole(surface, size):
    surface.engine.answer = Answer(body=b"x" * size)
    for _ in range(3):
        async with surface.invoke(data=b"x") as answer:
            assert await answer.read() == b"x" * size


async def test_a_client_that_does_not_read_is_not_answered_without_end(surface):
    surface.engine.answer = Answer(body=b"x" * SMALL_BYTES)
    reader, writer = await asyncio.open_connection("127.0.0.1", surface.served.port, limit=1024)
    many = 1000
    writer.write(ask(surface) * many)
    await surface.engine.begun.wait()
    seen = 0
    while seen < len(surface.engine.asked):  # until no more are asked for a while
        seen = len(surface.engine.asked)
        for _ in range(200):
            await asyncio.sleep(0)
    assert 0 < seen < many
    whole = 0
    while whole < many * SMALL_BYTES:
        whole += len(await reader.read(1 << 20))
    writer.close()
    await writer.wait_closed()


async def test_a_client_that_went_while_its_answer_was_made_harms_nobody(surface):
    _, writer = await asyncio.open_connection("127.0.0.1", surface.served.port)
    writer.write(ask(surface) * 10)
    await surface.engine.begun.wait()
    writer.transport.abort()
    async with surface.invoke(data=b"x") as answer:
        assert answer.status == 200
