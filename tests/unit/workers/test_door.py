"""The gateway's end of a door, with a fake worker, or a bare socket, at the other."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from mme.core.door import Answer, Done, Drop, Hello, Question, encode
from mme.workers.door import open_door
from tests.support.fake_engine import until
from tests.support.fake_worker import FakeWorker, Manner

BIG = b"x" * (1 << 20)


@pytest.fixture
async def worker(tmp_path):
    async with FakeWorker(tmp_path / "w1", generation=7) as fake:
        yield fake


class Ear:
    """An open door, and what was heard at it."""

    def __init__(self, door):
        self.door = door
        self.heard: asyncio.Queue = asyncio.Queue()
        self.ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        door.on_answer = self.heard.put_nowait
        door.on_end = self.ended.set_result

    async def ask(self, model="m", body=b"12345"):
        self.door.send(Question(model, "/artifact", "/scratch", {}, body))
        return await self.heard.get()

    async def had_read(self):
        return await asyncio.wait_for(self.ended, 5)


@pytest.fixture
async def ear(worker):
    door = await open_door(worker.path)
    yield Ear(door)
    door.close()


async def test_the_worker_has_said_who_it_is(ear):
    assert ear.door.hello.result().generation == 7


async def test_answers_and_what_is_done_are_heard(ear):
    assert (await ear.ask()).body == b"ok m 5"
    ear.door.send(Drop(["m"]))
    assert await ear.heard.get() == Done()
    assert (await ear.ask(body=BIG)).body == b"ok m %d" % len(BIG)


async def test_a_frame_may_be_sent_in_two(ear):
    frame = encode(Question("m", "", "", {}, b"123"))
    ear.door.send_frame(frame[:-3], frame[-3:])
    assert (await ear.heard.get()).body == b"ok m 3"


async def test_parts_are_joined(worker, ear):
    worker.manner = Manner.ANSWER_IN_PARTS
    assert (await ear.ask()).body == b"ok m 5"
    assert (await ear.ask()).body == b"ok m 5"


async def test_an_error_makes_the_parts_before_it_void(worker, ear):
    worker.manner = Manner.BREAK_OFF
    broken = await ear.ask()
    assert (broken.status, broken.body) == (503, b"broken off")
    worker.manner = Manner.ANSWER
    assert (await ear.ask()).body == b"ok m 5"


@pytest.mark.parametrize("manner", [Manner.DIE_AFTER_READING, Manner.DIE_WITHIN_ANSWER])
async def test_the_end_of_a_worker_that_had_read_is_told_so(worker, ear, manner):
    worker.manner = manner
    ear.door.send(Question("m", "", "", {}, b""))
    assert await ear.had_read()
    assert ear.heard.empty()


async def test_the_end_of_one_that_had_not_is_told_so(worker, ear):
    worker.manner = Manner.DIE_BEFORE_READING
    ear.door.send(Question("m", "", "", {}, b""))
    assert not await ear.had_read()


async def test_what_is_sent_in_the_moment_the_end_is_seen_was_not_read(tmp_path):
    async with saying(tmp_path / "w1", encode(Hello(1, 1))) as hang_up:
        ear = Ear(await open_door(tmp_path / "w1"))

        def end_is_seen():
            asyncio.get_running_loop().call_soon(ear.door.send, Question("m", "", "", {}, b""))

        ear.door.eof_received = end_is_seen
        hang_up.set()
        assert not await ear.had_read()


async def test_what_was_answered_before_the_end_is_heard_though_nothing_can_be_sent(tmp_path):
    writers: asyncio.Queue = asyncio.Queue()
    server = await asyncio.start_unix_server(lambda _, w: writers.put_nowait(w), tmp_path / "w1")
    async with server:
        opening = asyncio.create_task(open_door(tmp_path / "w1"))
        writer = await writers.get()
        writer.write(encode(Hello(1, 1)))
        ear = Ear(await opening)
        ear.door.pause()
        writer.write(encode(Answer(200, {}, BIG[:100_000])))
        writer.close()
        await writer.wait_closed()
        ear.door.send(Question("m", "", "", {}, b""))
        assert not await ear.had_read()
        assert ear.heard.get_nowait().body == BIG[:100_000]


async def test_what_lies_unread_is_seen(worker, ear):
    await ear.ask()
    await until(lambda: not ear.door.has_unread())
    worker.manner = Manner.DEAF
    for body in (b"", BIG):
        ear.door.send(Question("m", "", "", {}, body))
        assert ear.door.has_unread()


async def test_when_it_is_closed_the_worker_ends_and_nothing_is_told(worker, ear):
    ear.door.close()
    await worker.ended()
    ear.door.send(Drop(["m"]))  # nobody hears it
    ear.door.send_frame(b"", b"")
    await asyncio.sleep(0)
    assert not ear.ended.done()
    assert ear.door.has_unread()


@contextlib.asynccontextmanager
async def saying(path, words):
    """A socket where somebody says something and hangs up: when told to, without words at once."""
    over = asyncio.Event()

    async def say(_, writer):
        writer.write(words)
        if words:
            await over.wait()
        writer.close()

    server = await asyncio.start_unix_server(say, path)
    try:
        yield over
    finally:
        over.set()
        server.close()
        await server.wait_closed()


async def test_one_who_hangs_up_without_hello_is_no_worker(tmp_path):
    async with saying(tmp_path / "w1", b""):
        with pytest.raises(ConnectionError):
            await open_door(tmp_path / "w1")


async def test_one_who_does_not_speak_as_workers_do_is_none(tmp_path):
    async with saying(tmp_path / "w1", b"HTTP/1.1 200 OK\r\n\r\n"):
        with pytest.raises(ConnectionError):
            await open_door(tmp_path / "w1")


async def test_noise_after_the_hello_ends_the_door(tmp_path):
    async with saying(tmp_path / "w1", encode(Hello(1, 1))) as _:
        ear = Ear(await open_door(tmp_path / "w1"))
        ear.door.data_received(b"noise, and more of it")
        assert await ear.had_read()


async def test_an_answer_that_comes_byte_by_byte_is_heard_when_it_is_whole(ear):
    frame = encode(Answer(200, {}, b"body"))
    for n in range(len(frame)):
        assert ear.heard.empty()
        ear.door.data_received(frame[n : n + 1])
    assert ear.heard.get_nowait().body == b"body"


async def test_where_there_is_no_door_it_is_said(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        await open_door(tmp_path / "none")
