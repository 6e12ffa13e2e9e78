"""Bytes on a connection: whatever they are, they end in whole answers, and the next one is served.

Each example is a connection of its own to a real server over a fake engine: a request as clients
send it, changed in some places, or bytes of no form at all.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import strategies as st

from mme.core.settings import Settings
from mme.endpoints.serving import Serving
from mme.gateway import BodyBudget, make_app, make_platform_app, make_single_app
from tests.support.fake_engine import FakePlatform, FakeSole, FakeStandalone, served
from tests.support.fuzzing import fuzz

if TYPE_CHECKING:
    from collections.abc import Iterator

PARTS = [
    b"GET ", b"POST ", b"DELETE ", b"HEAD ", b"CONNECT ", b"OPTIONS ", b"* ", b"/ping", b"/models",
    b"/models/m", b"/models/m/invoke", b"/invocations", b"/endpoints/demo/invocations",
    b"/execution-parameters", b"?limit=", b"9" * 30, b"-1", b"%", b"%00", b"%ff", b"../", b"//",
    b"http://x", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b" HTTP/2.0\r\n", b"Host: x\r\n",
    b"Host: evil.example\r\n", b"Origin: null\r\n", b"Content-Length: 3\r\n",
    b"Content-Length: 99999999999\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: identity\r\n", b"Content-Encoding: gzip\r\n", b"Content-Encoding: br\r\n",
    b"Expect: 100-continue\r\n", b"Expect: cake\r\n", b"Connection: close\r\n",
    b"Connection: upgrade\r\nUpgrade: websocket\r\n", b"Content-Type: application/json\r\n",
    b"X-Amzn-SageMaker-Target-Model: m\r\n", b"X-Amzn-SageMaker-Target-Model: ../m\r\n",
    b"X-Amzn-SageMaker-Target-Model: \xc3\xa4\xff\r\n", b"X-Amzn-SageMaker-Session-Id: ?\r\n",
    b"X-Amzn-SageMaker-Custom-Attributes: " + b"x" * 1025 + b"\r\n", b"\r\n", b"\n", b"\r", b":",
    b" ", b"\0", b"3\r\nabc\r\n", b"0\r\n\r\n", b"{}", b'{"target_model": "m"}',
    b"X-Amz-Target: SageMaker.DescribeEndpoint\r\n", b"X-Amz-Target: SageMaker.\r\n",
    b"X-Amz-Target: \xff.DescribeEndpoint\r\n", b"Authorization: Credential=a/20260101/x/\r\n",
    b'{"EndpointName": "e"}', b'{"model_name": "a\\ud800", "url": "/x"}', b"abc",
]  # fmt: skip
WHOLE = [
    (
        b"POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: SageMaker.DescribeEndpoint\r\n"
        b"Content-Type: application/x-amz-json-1.1\r\n%s"
    ),
    b"POST /invocations HTTP/1.1\r\nHost: x\r\nX-Amzn-SageMaker-Target-Model: m\r\n%s",
    b"POST /models HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n%s",
    b"GET /models?limit=2&next_page_token=bQ== HTTP/1.1\r\nHost: x\r\n%s",
    b"POST /models/m/invoke HTTP/1.1\r\nHost: x\r\n%s",
]
BODIES = [
    b'Content-Length: 21\r\n\r\n{"EndpointName": "e"}',
    b"Content-Length: 3\r\n\r\nabc",
    b'Content-Length: 21\r\n\r\n{"target_model": "m"}',
    b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"\r\n",
]
REQUESTS = st.builds(bytes.__mod__, st.sampled_from(WHOLE), st.sampled_from(BODIES))
PIECES = st.lists(st.sampled_from(PARTS) | st.binary(max_size=6), max_size=14).map(b"".join)


@st.composite
def changed(draw: st.DrawFn) -> bytes:
    """Requests of which some bytes are others."""
    sent = b"".join(draw(st.lists(REQUESTS, min_size=1, max_size=3)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(sent)))
        until = at + draw(st.sampled_from([0, 0, 1, 2, 10]))
        sent = sent[:at] + draw(st.sampled_from(PARTS) | st.binary(max_size=3)) + sent[until:]
    return sent


class Faults(logging.Handler):
    """What a request should never cause: a trace, or a line above INFO."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info or record.levelno > logging.INFO:
            self.seen.append(self.format(record))


async def _described(request: dict[str, Any]) -> dict[str, Any]:
    return request


def _standalone(settings, bodies):
    engine = FakeStandalone()
    operations = {"DescribeEndpoint": _described}
    return make_app(settings, engine, Serving(settings, engine), bodies, operations)


SURFACES = {
    "standalone": _standalone,
    "platform": lambda settings, bodies: make_platform_app(settings, FakePlatform(), bodies),
    "single": lambda settings, bodies: make_single_app(settings, FakeSole(), bodies),
}


@contextmanager
def running(surface: str) -> Iterator[int]:
    """The port of a server that runs in a thread of its own."""
    loop = asyncio.new_event_loop()
    begun: list[int] = []
    ready, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with served(SURFACES[surface](Settings(), BodyBudget(1 << 24))) as one:
            begun.append(one.port)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(10)
    try:
        yield begun[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def said(port: int, sent: bytes, patience_s: float) -> bytes:
    """What is answered until the connection ends, or nothing has come for so long."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), 10) as one, suppress(ConnectionError):
        one.sendall(sent)
        one.settimeout(patience_s)
        with suppress(TimeoutError):
            while piece := one.recv(65536):
                received += piece
    return received


FIRST = re.compile(rb"HTTP/\d\.\d (\d{3}) [ -~]*\r\n")


def statuses(raw: bytes) -> list[int]:
    """The statuses of answers, each of which must be well formed and whole."""
    found = []
    while raw:
        first = FIRST.match(raw)
        assert first, raw
        head, end, raw = raw.partition(b"\r\n\r\n")
        assert end, head
        status = int(first[1])
        found.append(status)
        if status == 100:
            continue
        lines = head.split(b"\r\n")[1:]
        assert all(re.fullmatch(rb"[!-9;-~]+: [ -~]*", line) for line in lines), head
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        size = int(length[1]) if length and not raw.startswith(b"HTTP/") else 0
        assert len(raw) >= size, head
        raw = raw[size:]
    return found


@pytest.mark.parametrize("surface", SURFACES)
def test_every_connection_ends_in_whole_answers_and_none_is_a_failure_of_ours(surface):
    faults = Faults()
    logging.getLogger().addHandler(faults)
    try:
        with running(surface) as port:

            def check(sent: bytes) -> None:
                assert 500 not in statuses(said(port, sent, 0.02))
                assert faults.seen == []
                ping = b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                assert statuses(said(port, ping, 10)) == [200]

            assert fuzz(check, PIECES | changed() | st.binary(max_size=50))
    finally:
        logging.getLogger().removeHandler(faults)
