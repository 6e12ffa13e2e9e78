"""Pieces of an answer between a worker and a reader: all of them, in order, never too many."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from mme.core.parts import HIGH_WATER_BYTES, LOW_WATER_BYTES, PIECE_BYTES, Parts

TEXT = {"content-type": "text/plain"}


@dataclass
class Source:
    is_paused: bool = False
    pauses: int = 0

    def pause(self) -> None:
        self.is_paused = True
        self.pauses += 1

    def resume(self) -> None:
        self.is_paused = False


async def rest_of(parts: Parts) -> list[bytes]:
    found = []
    while (piece := await parts.next()) is not None:
        found.append(piece)
    return found


async def test_what_is_put_comes_out_in_order_until_the_end():
    parts, source = Parts(), Source()
    assert not parts.has_begun
    parts.put(b"a", TEXT, source)
    parts.put(b"b", {}, source)
    parts.end()
    assert await rest_of(parts) == [b"a", b"b"]
    assert await parts.next() is None
    assert parts.has_begun
    assert parts.headers == TEXT


async def test_a_reader_waits_for_the_next_piece_or_the_end():
    parts, source = Parts(), Source()
    reading = asyncio.create_task(rest_of(parts))
    await asyncio.sleep(0)
    parts.put(b"a", TEXT, source)
    await asyncio.sleep(0)
    assert not reading.done()
    parts.end()
    assert await reading == [b"a"]


async def test_without_pieces_there_is_nothing_but_the_end():
    parts = Parts()
    parts.end()
    assert await parts.next() is None
    assert not parts.has_begun


async def test_a_source_waits_while_much_lies_here_and_goes_on_when_little_does():
    parts, source = Parts(), Source()
    eighth_bytes = HIGH_WATER_BYTES // 8
    piece = b"x" * (eighth_bytes - PIECE_BYTES)
    for _ in range(7):
        parts.put(piece, TEXT, source)
    assert not source.is_paused
    for _ in range(3):  # what had been read before the pause
        parts.put(piece, TEXT, source)
    assert source.is_paused
    assert parts.is_held_up
    assert source.pauses == 1
    left = 10
    while source.is_paused:
        assert left * eighth_bytes > LOW_WATER_BYTES
        await parts.next()
        left -= 1
    assert left * eighth_bytes <= LOW_WATER_BYTES
    assert not parts.is_held_up


async def test_many_tiny_pieces_are_much_too():
    parts, source = Parts(), Source()
    for _ in range(HIGH_WATER_BYTES // PIECE_BYTES):
        parts.put(b"x", TEXT, source)
    assert source.is_paused
    parts.end()
    assert len(await rest_of(parts)) == HIGH_WATER_BYTES // PIECE_BYTES
    assert not source.is_paused


async def test_when_nobody_reads_any_more_the_source_goes_on_and_what_comes_is_dropped():
    parts, source = Parts(), Source()
    parts.put(b"x" * HIGH_WATER_BYTES, TEXT, source)
    parts.close()
    assert not source.is_paused
    parts.put(b"x" * HIGH_WATER_BYTES, TEXT, source)
    assert not source.is_paused
    parts.end()
    assert await parts.next() is None


async def test_a_source_that_is_done_with_the_request_is_let_alone():
    parts, source, other = Parts(), Source(), Source()
    parts.put(b"x" * HIGH_WATER_BYTES, TEXT, source)
    parts.release()
    assert not source.is_paused
    source.pause()  # for another request
    parts.end()
    assert len(await rest_of(parts)) == 1
    assert source.is_paused
    assert not other.pauses
