"""What every worker does at its door: the suite the real loop and the fake both pass.

Subclasses give the fixture `worker`: something with `path`, `generation` 7, a bound of three
models, which answers `ok MODEL LENGTH`, in parts for models called `parts...`, breaks off for
`broken...`, and cannot load `bad...`.
"""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from mme.core.door import Answer, Done, Drop, Hello, Message, Part, Question, Together, encode
from tests.support.fake_worker import read_message

PATIENCE_S = 10


def question(model: str, body: bytes = b"") -> Question:
    return Question(model, "/artifact", "/scratch", {"content-type": "text/plain"}, body)


class Gateway:
    """The other end of a door."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def hear(self):
        async with asyncio.timeout(PATIENCE_S):
            return await read_message(self.reader)

    async def ask(self, message):
        self.writer.write(encode(message))
        return await self.hear()


class WorkerContract:
    @pytest.fixture
    async def gateway(self, worker):
        async with self.connected(worker.path) as found:
            yield found

    @contextlib.asynccontextmanager
    async def connected(self, path):
        reader, writer = await asyncio.open_unix_connection(path)
        try:
            gateway = Gateway(reader, writer)
            self.hello = await gateway.hear()
            yield gateway
        finally:
            writer.close()

    async def test_it_says_hello_with_its_process_and_generation(self, gateway):
        assert isinstance(self.hello, Hello)
        assert self.hello.pid > 0
        assert self.hello.generation == 7

    async def test_once_the_gateway_is_in_there_is_no_door_to_find(self, worker, gateway):
        assert not worker.path.exists()

    async def test_it_answers_a_question_and_says_how_long_loading_took(self, gateway):
        answer = await gateway.ask(question("m", b"12345"))
        assert (answer.status, answer.body) == (200, b"ok m 5")
        assert answer.headers["content-type"] == "text/plain"
        assert answer.load_s > 0
        assert not answer.is_unloadable

    async def test_a_model_it_has_is_not_loaded_again(self, gateway):
        await gateway.ask(question("m"))
        assert (await gateway.ask(question("m"))).load_s == 0

    async def test_a_dropped_model_is_loaded_again(self, gateway):
        await gateway.ask(question("m"))
        assert await gateway.ask(Drop(["m", "never-there"])) == Done()
        answer = await gateway.ask(question("m"))
        assert answer.load_s > 0
        assert list(answer.dropped) == []

    async def test_the_least_recently_used_goes_when_there_are_too_many(self, gateway):
        for model in ("a", "b", "c", "a"):
            await gateway.ask(question(model))
        assert list((await gateway.ask(question("d"))).dropped) == ["b"]
        assert (await gateway.ask(question("a"))).load_s == 0
        assert list((await gateway.ask(question("b"))).dropped) == ["c"]

    async def test_a_model_that_cannot_be_loaded_is_said_to_be_and_others_go_on(self, gateway):
        answer = await gateway.ask(question("bad"))
        assert answer.is_unloadable
        assert answer.status == 500
        assert b"ArtifactError" in answer.body
        good = await gateway.ask(question("m"))
        assert not good.is_unloadable
        assert good.status == 200

    async def test_a_body_larger_than_any_buffer_arrives_whole(self, gateway):
        answer = await gateway.ask(question("m", b"x" * 3_000_000))
        assert answer.body == b"ok m 3000000"

    async def test_messages_that_come_together_are_answered_in_turn(self, gateway):
        messages: list[Message] = [question("a", b"1"), Drop(["a"]), question("b", b"22")]
        gateway.writer.writelines(encode(message) for message in messages)
        assert (await gateway.hear()).body == b"ok a 1"
        assert await gateway.hear() == Done()
        assert (await gateway.hear()).body == b"ok b 2"

    async def test_questions_that_are_sent_as_one_are_answered_each_in_their_order(self, gateway):
        asked = [question("m", b"x" * length) for length in (3, 0, 7)]
        first = await gateway.ask(question("m"))
        gateway.writer.write(b"".join(map(encode, [Together(3), *asked, question("m", b"12")])))
        answers = [await gateway.hear() for _ in range(4)]
        assert [each.body for each in answers] == [b"ok m 3", b"ok m 0", b"ok m 7", b"ok m 2"]
        assert all(each.status == 200 and not each.load_s for each in answers)
        assert {each.headers["content-type"] for each in answers} == {"text/plain"}
        assert first.load_s > 0

    async def test_of_those_sent_as_one_the_first_says_what_loading_took(self, gateway):
        gateway.writer.write(b"".join(map(encode, [Together(2), question("m"), question("m")])))
        first, second = [await gateway.hear() for _ in range(2)]
        assert (first.load_s > 0, second.load_s) == (True, 0)

    async def test_those_sent_as_one_to_a_model_that_cannot_be_loaded_are_told_so(self, gateway):
        gateway.writer.write(b"".join(map(encode, [Together(2), question("bad"), question("bad")])))
        answers = [await gateway.hear() for _ in range(2)]
        assert all(each.is_unloadable and each.status == 500 for each in answers)
        assert not (await gateway.ask(question("m"))).is_unloadable

    async def test_what_follows_instead_of_the_questions_ends_the_worker(self, worker, gateway):
        gateway.writer.write(encode(Together(2)) + encode(question("m")) + encode(Drop([])))
        await worker.ended()

    async def test_a_message_that_comes_byte_by_byte_is_understood(self, gateway):
        for byte in encode(question("m", b"12")):
            gateway.writer.write(bytes([byte]))
            await gateway.writer.drain()
        assert (await gateway.hear()).body == b"ok m 2"

    async def test_an_answer_may_come_in_parts(self, gateway):
        gateway.writer.write(encode(question("parts")))
        pieces = []
        while isinstance(said := await gateway.hear(), Part):
            pieces.append(said.body)
        assert len(pieces) > 1
        assert b"".join([*pieces, said.body]) == b"ok parts 0"
        assert said.status == 200

    async def test_an_error_after_parts_makes_them_void(self, gateway):
        gateway.writer.write(encode(question("broken")))
        while isinstance(said := await gateway.hear(), Part):
            pass
        assert isinstance(said, Answer)
        assert said.status == 503
        assert (await gateway.ask(question("m"))).status == 200

    async def test_the_gateways_end_is_the_workers_end(self, worker, gateway):
        gateway.writer.close()
        await worker.ended()

    @pytest.mark.parametrize("noise", [b"GET / HTTP/1.1\r\n\r\n", b"\x01\x09" + bytes(8)])
    async def test_what_is_no_message_ends_the_worker(self, worker, gateway, noise):
        gateway.writer.write(noise)
        assert await gateway.reader.read() == b""
        await worker.ended()
