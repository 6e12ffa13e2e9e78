"""Requests that break HTTP's rules, or bend them: a refusal in the surface's form, and no harm."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gzip
import json
import logging
import re
import time
import zlib

import pytest

pytestmark = pytest.mark.hostile("HTTP")

END = b"\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def ask(path: str, headers: bytes = b"", body: bytes = b"", method: bytes = b"POST") -> bytes:
    return (
        method + b" " + path.encode() + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"X-Amzn-SageMaker-Target-Model: m\r\n" + headers + b"\r\n" + body
    )


def answers(raw: bytes) -> list[tuple[int, dict[str, str], bytes]]:
    """Every answer in what came back; each must be whole."""
    found = []
    while raw:
        head, end, rest = raw.partition(END)
        assert end, raw
        first, *lines = head.decode("ascii").split("\r\n")
        status = re.fullmatch(r"HTTP/(?:1\.[01]|0\.9|2\.0) (\d{3}) [A-Za-z ]+", first)
        assert status, first
        headers = dict(line.lower().split(": ", 1) for line in lines)
        size = int(headers.get("content-length", "0"))
        assert len(rest) >= size, raw
        found.append((int(status[1]), headers, rest[:size]))
        raw = rest[size:]
    return found


def assert_refused(surface, raw: bytes, statuses: set[int]) -> None:
    """One refusal in the surface's form, with an id, that tells nothing of what made it."""
    ((status, headers, body),) = answers(raw)
    assert status in statuses, raw
    assert headers["content-type"] == "application/json"
    assert json.loads(body)[surface.message_key]
    assert len(headers["x-amzn-requestid"]) == 36
    assert headers["server"] == "mme"
    if surface.message_key == "Message":
        assert headers["x-amzn-errortype"]


@pytest.fixture
def quiet(caplog):
    """No trace is logged, nor an error."""
    caplog.set_level(logging.DEBUG)
    yield
    assert [r.getMessage() for r in caplog.records if r.exc_info or r.levelno > logging.INFO] == []


SMUGGLED = b"5\r\nGET /\r\n0\r\n\r\n"
SMUGGLING = {
    "both lengths": (b"Content-Length: 3\r\n" + CHUNKED, b"0\r\n\r\n"),
    "two lengths": (b"Content-Length: 3\r\nContent-Length: 4\r\n", b"abcd"),
    "the same length twice": (b"Content-Length: 3\r\nContent-Length: 3\r\n", b"abc"),
    "list of lengths": (b"Content-Length: 3, 3\r\n", b"abc"),
    "negative length": (b"Content-Length: -3\r\n", b"abc"),
    "signed length": (b"Content-Length: +3\r\n", b"abc"),
    "length in hexadecimal": (b"Content-Length: 0x3\r\n", b"abc"),
    "length in other digits": ("Content-Length: ٣\r\n".encode(), b"abc"),
    "length beyond 64 bits": (b"Content-Length: " + b"9" * 40 + b"\r\n", b"abc"),
    "space before the colon": (b"Transfer-Encoding : chunked\r\n", SMUGGLED),
    "unknown coding": (b"Transfer-Encoding: xchunked\r\n", SMUGGLED),
    "coding with a control": (b"Transfer-Encoding: \x0bchunked\r\n", SMUGGLED),
    "chunked not last": (b"Transfer-Encoding: chunked, identity\r\n", SMUGGLED),
    "chunk size with a sign": (CHUNKED, b"+3\r\nabc\r\n0\r\n\r\n"),
    "chunk size with underscore": (CHUNKED, b"0_3\r\nabc\r\n0\r\n\r\n"),
    "chunk size in hexadecimal notation": (CHUNKED, b"0x3\r\nabc\r\n0\r\n\r\n"),
    "chunk longer than it says": (CHUNKED, b"3\r\nabcdef\r\n0\r\n\r\n"),
    "chunk of more than 64 bits": (CHUNKED, b"f" * 17 + b"\r\nabc\r\n0\r\n\r\n"),
    "line ends of LF alone": (b"Content-Length: 3\nX: y\r\n", b"abc"),
    "folded line": (b"X-One: a\r\n b\r\nContent-Length: 3\r\n", b"abc"),
    "CR in a value": (b"X-One: a\rb\r\nContent-Length: 3\r\n", b"abc"),
    "NUL in a value": (b"X-One: a\0b\r\nContent-Length: 3\r\n", b"abc"),
    "NUL in a name": (b"X-\0One: a\r\nContent-Length: 3\r\n", b"abc"),
    "no name": (b": a\r\nContent-Length: 3\r\n", b"abc"),
    "no colon": (b"X-One\r\nContent-Length: 3\r\n", b"abc"),
    "two hosts": (b"Host: y\r\nContent-Length: 3\r\n", b"abc"),
    "20 KB in a header": (b"X-One: " + b"a" * 20_000 + b"\r\n", b""),
    "a name of 20 KB": (b"X" * 20_000 + b": a\r\n", b""),
    "3,000 headers": (b"".join(b"X-%d: a\r\n" % n for n in range(3000)), b""),
}


@pytest.mark.parametrize(("headers", "body"), SMUGGLING.values(), ids=SMUGGLING)
async def test_a_head_or_body_of_two_meanings_is_refused(surface, quiet, headers, body):
    raw = await surface.served.raw(ask(surface.invoke_path, headers, body))
    assert_refused(surface, raw, {400})
    assert surface.engine.asked == []


NO_REQUEST = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "HTTP/0.9": b"GET /ping\r\n\r\n",
    "HTTP/2.0": b"GET /ping HTTP/2.0\r\nHost: x\r\nConnection: close\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/3.7": b"GET /ping HTTP/3.7\r\nHost: x\r\n\r\n",
    "no host": b"GET /ping HTTP/1.1\r\n\r\n",
    "unknown method": b"BREW /ping HTTP/1.1\r\nHost: x\r\n\r\n",
    "method in small letters": b"get /ping HTTP/1.1\r\nHost: x\r\n\r\n",
    "space in the path": b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
    "NUL in the path": b"GET /a\0b HTTP/1.1\r\nHost: x\r\n\r\n",
    "path of 20 KB": b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "no path": b"GET  HTTP/1.1\r\nHost: x\r\n\r\n",
    "only a colon": b":\r\n\r\n",
    "zeros": bytes(100),
    "an address that is none": b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("sent", NO_REQUEST.values(), ids=NO_REQUEST)
async def test_what_is_no_request_is_told_so(surface, quiet, sent):
    assert_refused(surface, await surface.served.raw(sent), {400})


STRANGE = {
    "CONNECT": (b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", {404, 405}),
    "OPTIONS *": (b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", {404}),
    "TRACE": (b"TRACE /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", {405}),
    "bad percent-encoding": (ask("/%zz%", method=b"GET"), {404}),
    "NUL, encoded": (ask("/ping%00", method=b"GET"), {404}),
    "another's address": (
        b"GET http://x:y@other/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        {404},
    ),
    "upgrade": (
        ask("/a", b"Upgrade: websocket\r\nConnection: upgrade\r\n", method=b"GET"),
        {404, 400},
    ),
}


@pytest.mark.parametrize(("sent", "statuses"), STRANGE.values(), ids=STRANGE)
async def test_a_strange_request_is_refused_as_any_other(surface, quiet, sent, statuses):
    assert_refused(surface, await surface.served.raw(sent), statuses)


@pytest.mark.parametrize("expect", ["cake", "100-continue, cake", "\x80", "100-continue " * 900])
async def test_an_expectation_nobody_knows_is_refused(surface, quiet, expect):
    headers = f"Expect: {expect}\r\nContent-Length: 3\r\n".encode("latin-1")
    reader, writer = await asyncio.open_connection("127.0.0.1", surface.served.port)
    writer.write(ask(surface.invoke_path, headers))
    head = await reader.readuntil(END)
    size = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
    assert_refused(surface, head + await reader.readexactly(size), {417})
    writer.transport.abort()


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "GZIP"])
async def test_a_body_that_is_not_packed_as_it_says_is_refused(surface, quiet, coding):
    headers = f"Content-Encoding: {coding}\r\nContent-Length: 7\r\n".encode()
    raw = await surface.served.raw(ask(surface.invoke_path, headers, b"a,b,c,d"))
    assert_refused(surface, raw, {400})


@functools.cache
def bomb(coding: str, size: int) -> bytes:
    """`size` zeros, packed, without ever having them all."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31 if coding == "gzip" else 15)
    block = bytes(1 << 20)
    parts = [packer.compress(block) for _ in range(size >> 20)]
    return b"".join(parts) + packer.flush()


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_body_that_unpacks_without_end_is_refused_at_the_limit(surface, quiet, coding):
    packed = bomb(coding, 256 << 20)
    headers = f"Content-Encoding: {coding}\r\nContent-Length: {len(packed)}\r\n".encode()
    began_s = time.process_time()
    async with asyncio.timeout(10):
        raw = await surface.served.raw(ask(surface.invoke_path, headers, packed))
    assert time.process_time() - began_s < 1  # of computing, whatever else the machine does
    assert_refused(surface, raw, {400, 413})


async def test_a_bomb_within_a_bomb_is_unpacked_once(surface, quiet):
    inner = gzip.compress(bytes(1000))
    packed = gzip.compress(inner)
    headers = b"Content-Encoding: gzip\r\nContent-Length: %d\r\n" % len(packed)
    raw = await surface.served.raw(ask(surface.invoke_path, headers, packed))
    assert [status for status, _, _ in answers(raw)] == [200]
    assert surface.engine.asked[0].body == inner


async def test_headers_without_end_are_broken_off_before_they_fill_memory(surface, quiet):
    _reader, writer = await asyncio.open_connection("127.0.0.1", surface.served.port)
    writer.write(b"GET /a HTTP/1.1\r\nHost: x\r\n")
    lines = (b"X-A: " + b"a" * 8000 + b"\r\n") * 10
    sent = 0
    with contextlib.suppress(ConnectionError):  # it does not read on, so it may reset
        while sent < 40 << 20:
            writer.write(lines)
            await writer.drain()
            sent += len(lines)
    assert sent < 10 << 20  # most of that lies in the kernel's buffers
    writer.transport.abort()
    async with surface.served.client.get("/ping") as answer:
        assert answer.status == 200


async def test_a_broken_chunk_fails_the_body_that_is_being_read_at_once(surface, quiet, bodies):
    sent = ask(surface.invoke_path, CHUNKED, b"3\r\nabc\r\nnonsense\r\n")
    began_s = time.monotonic()
    raw = await surface.served.raw(sent)
    assert time.monotonic() - began_s < 2
    assert next(status for status, _, _ in answers(raw)) == 400
    assert bodies.held_bytes == 0


async def test_a_path_is_looked_up_as_it_is_sent_and_decoded_once(container, platform, quiet):
    for path in (
        "/models/a/../b", "/models/..", "/models/%2e%2e", "/models/%2E%2E%2Fb", "//models/a",
        "/models//a", "/./models/a", "/models/%252e%252e", "/models/a%00", "/models/a%0d%0aX:y",
        "/models/%ff%fe", "/models/%ed%a0%80", "/models/" + "a" * 3000, "/models/a/invoke/",
        "/models/\\..\\a", "/models/%5c..%5ca", "/models/~root", "/models/a;b", "/models/a?b",
        "/models/a#b", "/models/%u002e", "/models/%c0%ae%c0%ae",
    ):  # fmt: skip
        for method in (b"GET", b"DELETE", b"POST"):
            raw = await container.raw(ask(path, b"Content-Length: 0\r\n", method=method))
            assert [status in (404, 405) for status, _, _ in answers(raw)] == [True], path
    assert platform.asked == []
