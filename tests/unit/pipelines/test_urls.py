"""Other containers as steps: real connections to a server that answers as a test says."""

from __future__ import annotations

import asyncio
import logging
import sys

import pytest
from aiohttp import web

from mme.core.errors import Busy, ModelFailed, ModelTimedOut
from mme.core.parts import HIGH_WATER_BYTES, Parts
from mme.core.terms import Terms
from mme.pipelines.definition import Step
from mme.pipelines.urls import Urls

LIMIT = 1000


class Container:
    """Keeps what it was asked; `answer` makes the answer of a request."""

    def __init__(self) -> None:
        self.asked: list[tuple[dict[str, str], bytes]] = []
        self.url = ""
        self.answer = self.echo
        self.begun, self.left = asyncio.Event(), asyncio.Event()

    async def handle(self, request):
        body = await request.read()
        self.asked.append(({name.lower(): value for name, value in request.headers.items()}, body))
        return await self.answer(request, body)

    async def echo(self, request, body):
        return web.Response(body=body[::-1], content_type="text/plain")

    def says(self, status=200, body=b"", **headers):
        async def answer(request, _):
            return web.Response(status=status, body=body, headers=headers)

        self.answer = answer

    async def hang(self, request, body):
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.left.set()

    @property
    def step(self):
        return Step("other", url=self.url)


@pytest.fixture
async def container():
    made = Container()
    runner = web.ServerRunner(web.Server(made.handle, handler_cancellation=True))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/invocations"
    yield made
    await runner.cleanup()


@pytest.fixture
async def urls():
    made = Urls(timeout_s=30.0, limit_bytes=LIMIT, most_waiting=2)
    yield made
    await made.close()


async def test_a_container_gets_the_body_and_what_headers_it_is_given_alone(container, urls):
    answer = await urls.ask(container.step, {"content-type": "text/csv"}, b"abc", Terms())
    assert (answer.status, answer.body) == (200, b"cba")
    assert answer.headers["content-type"].startswith("text/plain")
    [(headers, body)] = container.asked
    assert body == b"abc"
    assert headers.pop("host").startswith("127.0.0.1:")
    assert headers == {
        "content-type": "text/csv",
        "user-agent": "mme",
        "accept-encoding": "identity",
        "content-length": "3",
    }


async def test_one_request_after_another_takes_the_same_connection(container, urls):
    ports = []

    async def answer(request, body):
        ports.append(request.transport.get_extra_info("peername")[1])
        return web.Response(body=b"x")

    container.answer = answer
    for _ in range(3):
        await urls.ask(container.step, {}, b"a", Terms())
    assert len(set(ports)) == 1


async def test_no_type_is_made_up_for_a_body_without_one(container, urls):
    await urls.ask(container.step, {}, b"abc", Terms())
    assert not {"content-type", "accept"} & container.asked[0][0].keys()


async def test_of_an_answers_headers_those_of_the_contract_are_kept(container, urls):
    attributes = "X-Amzn-SageMaker-Custom-Attributes"
    container.says(body=b"{}", **{"Content-Type": "a/b", attributes: "x", "Set-Cookie": "a=b"})
    for _ in range(2):
        answer = await urls.ask(container.step, {}, b"", Terms())
        assert answer.headers == {"content-type": "a/b", attributes.lower(): "x"}
    assert "cookie" not in container.asked[1][0]


async def test_an_error_answer_is_an_answer_of_which_not_all_is_read(container, urls):
    container.says(503, b"x" * 5_000_000)
    answer = await urls.ask(container.step, {}, b"", Terms())
    assert answer.status == 503
    assert 65536 <= len(answer.body) < 1_000_000


async def test_redirects_are_not_followed(container, urls):
    container.says(302, Location=container.url + "/elsewhere")
    with pytest.raises(ModelFailed) as caught:
        await urls.ask(container.step, {}, b"", Terms())
    assert (caught.value.status, len(container.asked)) == (302, 1)


async def test_a_packed_answer_is_refused(container, urls):
    container.says(body=b"\x1f\x8b" + b"\0" * 100, **{"Content-Encoding": "gzip"})
    with pytest.raises(ModelFailed, match=r"its answer is packed \('gzip'\)"):
        await urls.ask(container.step, {}, b"", Terms())


async def test_a_large_answer_is_refused_by_its_announced_size(container, urls):
    container.says(body=b"x" * (LIMIT + 1))
    with pytest.raises(ModelFailed, match=f"its answer has {LIMIT + 1} bytes; it may have {LIMIT}"):
        await urls.ask(container.step, {}, b"", Terms())
    answer = await urls.ask(container.step, {}, b"", Terms(answer_limit_bytes=2 * LIMIT))
    assert len(answer.body) == LIMIT + 1


async def test_an_endless_answer_is_read_no_further_than_the_limit(container, urls):
    async def endless(request, body):
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 500)

    container.answer = endless
    with pytest.raises(ModelFailed, match=f"its answer has more than {LIMIT} bytes"):
        await urls.ask(container.step, {}, b"", Terms())


async def test_a_container_that_does_not_answer_is_given_up_in_time(container, urls):
    container.answer = container.hang
    with pytest.raises(ModelTimedOut, match=r"within 0\.05 s"):
        await urls.ask(container.step, {}, b"", Terms(0.05))
    await asyncio.wait_for(container.left.wait(), 10)


async def test_a_caller_that_leaves_breaks_the_connection_off(container, urls):
    container.answer = container.hang
    asking = asyncio.create_task(urls.ask(container.step, {}, b"", Terms()))
    await container.begun.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.wait_for(container.left.wait(), 10)


async def test_more_than_may_wait_for_one_container_are_refused(container, urls):
    container.answer = container.hang
    two = [asyncio.create_task(urls.ask(container.step, {}, b"", Terms())) for _ in range(2)]
    await container.begun.wait()
    with pytest.raises(Busy, match="2 requests are waiting"):
        await urls.ask(container.step, {}, b"", Terms())
    for task in two:
        task.cancel()
    await asyncio.wait(two)
    container.answer = container.echo
    assert (await urls.ask(container.step, {}, b"a", Terms())).status == 200


async def test_a_container_that_is_not_there_is_told_without_its_address(urls, caplog):
    step = Step("other", url="http://127.0.0.1:1/invocations?key=secret")
    with caplog.at_level(logging.WARNING), pytest.raises(ModelFailed) as caught:
        await urls.ask(step, {}, b"", Terms(request_id="id-1"))
    assert caught.value.body == "it cannot be reached: Connection refused"
    assert caught.value.status == 0
    [record] = caplog.records
    assert "http://127.0.0.1:1/invocations" in record.getMessage()
    assert "secret" not in record.getMessage()


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 200 OK\r\n"])
async def test_what_speaks_no_http_is_told(urls, said):
    async def speak(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    async with await asyncio.start_server(speak, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/invocations"
        with pytest.raises(ModelFailed, match=r"broke the connection off|no HTTP") as caught:
            await urls.ask(Step("other", url=url), {}, b"", Terms(10.0))
    assert caught.value.status == 0


async def test_an_answer_that_breaks_off_is_none(container, urls):
    async def half(request, body):
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"x" * 50)
        request.transport.abort()
        return response

    container.answer = half
    with pytest.raises(ModelFailed, match="broke"):
        await urls.ask(container.step, {}, b"", Terms())


async def pieces_of(parts):
    found = []
    while (piece := await parts.next()) is not None:
        found.append(piece)
    return b"".join(found)


def yields(container, *pieces, between=None):
    """The container yields; `between` is waited for after the first piece."""

    async def answer(request, _):
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        for number, piece in enumerate(pieces):
            await response.write(piece)
            if between is not None and number == 0:
                await between.wait()
        return response

    container.answer = answer


async def test_an_answer_that_is_yielded_comes_in_parts_where_these_are_wanted(container, urls):
    going_on, begun = asyncio.Event(), asyncio.Event()
    yields(container, b"one", b"two", between=going_on)
    parts = Parts(begun.set)
    asked = asyncio.create_task(urls.ask(container.step, {}, b"", Terms(parts=parts)))
    assert await parts.next() == b"one"  # while the container waits
    assert begun.is_set()
    assert parts.headers["content-type"] == "text/plain"
    going_on.set()
    answer = await asked
    parts.end()
    assert (await pieces_of(parts), answer.status, answer.body) == (b"two", 200, b"")


async def test_an_answer_of_known_length_and_one_that_is_wanted_whole_come_whole(container, urls):
    parts = Parts()
    answer = await urls.ask(container.step, {}, b"abc", Terms(parts=parts))
    assert (answer.body, parts.has_begun) == (b"cba", False)
    yields(container, b"one", b"two")
    assert (await urls.ask(container.step, {}, b"", Terms())).body == b"onetwo"


async def test_an_error_does_not_come_in_parts(container, urls):
    container.says(418, b"no tea")
    parts = Parts()
    answer = await urls.ask(container.step, {}, b"", Terms(parts=parts))
    assert (answer.status, answer.body, parts.has_begun) == (418, b"no tea", False)


async def test_parts_that_become_too_many_break_the_answer_off(container, urls):
    going_on = asyncio.Event()
    yields(container, b"x" * LIMIT, b"y", between=going_on)
    parts = Parts()
    asked = asyncio.create_task(urls.ask(container.step, {}, b"", Terms(parts=parts)))
    assert await parts.next() == b"x" * LIMIT
    going_on.set()
    with pytest.raises(ModelFailed, match=f"it may have {LIMIT}"):
        await asked


class SlowlyRead(Parts):
    """Says when its sender has to wait."""

    def __init__(self):
        super().__init__()
        self.held_up = asyncio.Event()

    def put(self, body, headers, flow):
        super().put(body, headers, flow)
        if self.is_held_up:
            self.held_up.set()


async def test_who_reads_slowly_has_the_container_wait(container, urls):
    pieces = [bytes([65 + number]) * HIGH_WATER_BYTES for number in range(8)]
    yields(container, *pieces)
    parts = SlowlyRead()
    terms = Terms(answer_limit_bytes=sys.maxsize, parts=parts)
    asked = asyncio.create_task(urls.ask(container.step, {}, b"", terms))
    await parts.held_up.wait()
    assert not asked.done()
    rest = asyncio.create_task(pieces_of(parts))
    await asked
    parts.end()
    assert await rest == b"".join(pieces)
