"""What each request gets on every surface: an id, a line in the log, an end if its client goes."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import re
import uuid

import pytest

from mme.core.errors import ShuttingDown, TargetNotFound
from mme.core.invocation_log import request_ids, shortened
from mme.gateway import make_single_app
from tests.support.fake_engine import Answer, FakeSole, served, until

ASK = b"POST /invocations HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx"

LINE = re.compile(
    r"(?P<call>\S+ \S+) (?P<status>\d+) \d+\.\d ms (?P<id>[0-9a-f-]{36}) (?P<note>.*)"
)


@pytest.fixture
def lines(caplog):
    """Every line of the request log so far."""
    caplog.set_level(logging.DEBUG, "mme.gateway.access")

    def read() -> list[re.Match[str]]:
        texts = [r.getMessage() for r in caplog.records if r.name == "mme.gateway.access"]
        found = [LINE.fullmatch(text) for text in texts]
        assert all(found), texts
        return [line for line in found if line is not None]

    return read


@pytest.fixture
def levels(caplog):
    """How loud each line of an invocation was."""
    return lambda: [r.levelno for r in caplog.records if "/invocations" in r.getMessage()]


async def test_each_request_has_an_id_of_its_own_and_a_line_that_names_it(surface, lines):
    ids = []
    for _ in range(3):
        async with surface.invoke(data=b"x") as answer:
            ids.append(answer.headers["x-amzn-RequestId"])
    assert len(set(ids)) == 3
    assert all(str(uuid.UUID(name)) == name for name in ids)
    assert [line["id"] for line in lines()] == ids
    assert {(line["call"], line["status"]) for line in lines()} == {
        (f"POST {surface.invoke_path}", "200")
    }


async def test_the_line_of_an_error_says_why(surface, lines):
    async with surface.served.client.get("/nowhere?secret=1") as answer:
        assert answer.status == 404
    (line,) = lines()
    assert (line["call"], line["status"]) == ("GET /nowhere", "404")
    assert line["note"] == "There is nothing at /nowhere"


async def test_the_line_of_an_invocation_names_the_model_and_whether_it_was_there(
    endpoint, engine, lines
):
    async with endpoint.client.post(
        "/invocations", headers={"X-Amzn-SageMaker-Target-Model": "größe.tar.gz"}
    ):
        pass
    assert [line["note"] for line in lines()] == ["größe.tar.gz warm queue 0.0 load 0.0 model 0.0"]


@pytest.mark.parametrize(
    ("given", "status", "level", "note"),
    [
        (Answer(200), 200, logging.INFO, ""),
        (Answer(400, body=b"secret"), 424, logging.WARNING, " the model answered 400"),
        (Answer(503, body=b"secret"), 424, logging.WARNING, " the model answered 503"),
    ],
)
async def test_the_line_of_an_error_of_the_model_is_a_warning_with_its_status(
    endpoint, engine, lines, levels, *, given, status, level, note
):
    engine.answer = given
    sent = {"X-Amzn-SageMaker-Target-Model": "m.tar.gz"}
    async with endpoint.client.post("/invocations", headers=sent) as answer:
        assert answer.status == status
    (line,) = lines()
    assert line["note"] == f"m.tar.gz warm queue 0.0 load 0.0 model 0.0{note}"
    assert levels() == [level]


@pytest.mark.parametrize(
    ("failure", "level"),
    [(TargetNotFound("m.tar.gz", "/m"), logging.INFO), (ShuttingDown(), logging.WARNING)],
)
async def test_the_line_of_a_request_without_an_answer_names_its_model_and_why(
    endpoint, engine, lines, levels, *, failure, level
):
    engine.failure = failure
    sent = {"X-Amzn-SageMaker-Target-Model": "m.tar.gz"}
    async with endpoint.client.post("/invocations", headers=sent):
        pass
    (line,) = lines()
    assert line["note"] == f"m.tar.gz {failure.for_log}"
    assert levels() == [level]


async def test_a_ping_is_logged_at_debug_alone(surface, lines, caplog):
    async with surface.served.client.get("/ping"):
        pass
    assert [record.levelno for record in caplog.records if "/ping" in record.getMessage()] == [
        logging.DEBUG
    ]


async def test_no_request_can_write_a_line_of_its_own(endpoint, lines):
    forged = {"target_model": "m\n2026-01-01 00:00:00,000 INFO forged"}
    async with endpoint.client.post("/models", json=forged):
        pass
    async with endpoint.client.get("/models/a%0Ab%1B[31m"):
        pass
    assert all("\n" not in line[0] and "\x1b" not in line[0] for line in lines())
    assert r"m\n2026-01-01" in lines()[0]["note"]


async def test_a_failure_of_ours_is_logged_with_the_id_the_caller_got(surface, caplog):
    surface.engine.failure = ZeroDivisionError("of ours")
    async with surface.invoke(data=b"x") as answer:
        assert answer.status == 500
        request_id = answer.headers["x-amzn-RequestId"]
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert request_id in record.getMessage()
    assert record.exc_info is not None


async def test_a_client_that_goes_cancels_its_request(surface, lines, bodies):
    surface.engine.is_hanging = True
    asked = asyncio.create_task(surface.invoke(data=b"x" * 1000).__aenter__())
    await surface.engine.begun.wait()
    asked.cancel()
    await asyncio.wait([asked])
    await asyncio.wait_for(surface.engine.cancelled.wait(), 5)
    await until(lines)
    (line,) = lines()
    assert (line["status"], "did not wait" in line["note"]) == ("499", True)
    assert bodies.held_bytes == 0


async def test_at_the_end_running_requests_are_answered(settings, bodies):
    engine = FakeSole()
    engine.is_hanging = True
    async with contextlib.AsyncExitStack() as ending:
        single = await ending.enter_async_context(served(make_single_app(settings, engine, bodies)))
        asked = asyncio.create_task(single.raw(ASK))
        await engine.begun.wait()
        closing = asyncio.create_task(ending.pop_all().aclose())
        for _ in range(20):  # it has stopped listening, and waits
            await asyncio.sleep(0)
        assert not closing.done()
        engine.release.set()
        assert (await asked).startswith(b"HTTP/1.1 200")
        await closing


async def test_at_the_end_requests_that_do_not_end_are_cancelled(settings, bodies, lines):
    engine = FakeSole()
    engine.is_hanging = True
    async with served(make_single_app(settings, engine, bodies), drain_timeout_s=0.01) as single:
        asked = asyncio.create_task(single.raw(ASK))
        await engine.begun.wait()
    await asyncio.wait_for(engine.cancelled.wait(), 5)
    assert await asked == b""
    assert [line["status"] for line in lines()] == ["499"]


async def test_a_client_that_goes_in_the_middle_of_its_body_is_forgotten(surface, lines, bodies):
    head = (
        f"POST {surface.invoke_path} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"
        "X-Amzn-SageMaker-Target-Model: m\r\n\r\nx"
    )
    _, writer = await asyncio.open_connection("127.0.0.1", surface.served.port)
    writer.write(head.encode())
    await until(lambda: bodies.held_bytes)
    writer.transport.abort()
    await until(lines)
    assert [line["status"] for line in lines()] == ["499"]
    assert bodies.held_bytes == 0
    assert surface.engine.asked == []


async def test_what_is_no_http_is_refused_without_a_trace_and_the_next_one_answered(
    surface, caplog
):
    for nonsense in (b"\x16\x03\x01nonsense\r\n\r\n", b"BREW /ping HTTP/1.1\r\nHost: x\r\n\r\n"):
        assert b" 400 " in (await surface.served.raw(nonsense))
    assert [record for record in caplog.records if record.exc_info] == []
    async with surface.invoke(data=b"x") as answer:
        assert answer.status == 200


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_body_that_cannot_be_unpacked_is_refused_without_a_trace(surface, caplog, coding):
    head = f"POST {surface.invoke_path} HTTP/1.1\r\nHost: x\r\nX-Amzn-SageMaker-Target-Model: m\r\n"
    head += f"Content-Encoding: {coding}\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"
    assert b" 400 " in (await surface.served.raw(head.encode() + b"a b,c"))
    assert [record for record in caplog.records if record.exc_info] == []


async def test_headers_may_be_as_long_as_the_service_lets_them(surface):
    sent = {"X-Amzn-SageMaker-Custom-Attributes": "x" * 1024, "X-Amz-Trace": "x" * 9000}
    async with surface.invoke(data=b"x", headers=sent) as answer:
        assert answer.status == 200
    assert len(surface.engine.asked[0].headers["X-Amzn-SageMaker-Custom-Attributes"]) == 1024


def test_ids_of_two_processes_differ_and_all_are_uuids():
    first, second = (list(itertools.islice(request_ids(), 1000)) for _ in range(2))
    assert len({*first, *second}) == 2000
    assert all(str(uuid.UUID(name)) == name for name in first)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain größe", "plain größe"),
        ("x" * 501, "x" * 500 + "…"),
    ],
)
def test_a_note_is_cut(text, line):
    assert shortened(text) == line
