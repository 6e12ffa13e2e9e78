"""Load generator: many keep-alive connections, one request at a time on each, every answer timed.

Answers how long each request took and what went wrong. Its own small HTTP client, run in a process
of its own, so that what is measured is the server and not the client. Leaves what is sent to
`workload.py`.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

OK = 200
Where = tuple[str, int] | str
"""Host and port, or the path of a socket."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request ready to be sent, and the answer it must get; None: any answer with status 200."""

    message: bytes
    expected: bytes | None = None

    def fault(self, status: int, body: bytes) -> str | None:
        """What is wrong with an answer, in words."""
        if status == OK and self.expected in (None, body):
            return None
        return f"{status}: {body[:300].decode(errors='replace')}"


@dataclass
class Samples:
    """What a run of traffic saw."""

    latencies_s: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    duration_s: float = 0.0

    def percentile_ms(self, percent: float) -> float:
        """The latency below which `percent` of the requests stayed, in milliseconds."""
        return percentile_ms(self.latencies_s, percent)

    @property
    def rate(self) -> float:
        """Requests answered per second."""
        return len(self.latencies_s) / self.duration_s


def percentile_ms(latencies_s: Sequence[float], percent: float) -> float:
    """The latency below which `percent` of these are, in milliseconds."""
    ordered = sorted(latencies_s)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)] * 1000


def post(
    url: str, headers: Mapping[str, str], body: bytes, expected: bytes | None = None
) -> Exchange:
    """A POST request as an exchange."""
    return request("POST", url, headers, body, expected)


def request(
    method: str,
    url: str,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    expected: bytes | None = None,
) -> Exchange:
    """Any request as an exchange."""
    parts = urlsplit(url)
    lines = [f"{method} {parts.path} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    lines += [f"Content-Length: {len(body)}", "", ""]
    return Exchange("\r\n".join(lines).encode() + body, expected)


def drive(
    url: str,
    exchanges: Sequence[Exchange],
    *,
    connections: int,
    total: int | None = None,
    for_s: float | None = None,
) -> Samples:
    """Send `exchanges` in turn, over and over, until `total` are done or `for_s` has passed.

    `url` is that of a server, or `unix:` and the path of its socket.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        where = where_of(url)
        return process.submit(_drive, where, exchanges, connections, total, for_s).result()


def where_of(url: str) -> Where:
    """Of a server's URL, or `unix:` and the path of its socket."""
    parts = urlsplit(url)
    return parts.path if parts.scheme == "unix" else (parts.hostname or "", parts.port or 80)


def _drive(
    where: Where,
    exchanges: Sequence[Exchange],
    connections: int,
    total: int | None,
    for_s: float | None,
) -> Samples:
    return asyncio.run(_drive_all(where, exchanges, connections, total, for_s))


async def _drive_all(
    where: Where,
    exchanges: Sequence[Exchange],
    connections: int,
    total: int | None,
    for_s: float | None,
) -> Samples:
    samples = Samples()
    until_s = math.inf if for_s is None else time.perf_counter() + for_s
    queue = itertools.cycle(exchanges) if total is None else _first(exchanges, total)
    began_s = time.perf_counter()
    await asyncio.gather(*(_connection(where, queue, until_s, samples) for _ in range(connections)))
    samples.duration_s = time.perf_counter() - began_s
    return samples


def _first(exchanges: Sequence[Exchange], total: int) -> Iterator[Exchange]:
    return itertools.islice(itertools.cycle(exchanges), total)


async def _connection(
    where: Where, queue: Iterator[Exchange], until_s: float, samples: Samples
) -> None:
    reader, writer = await connect(where)
    try:
        for exchange in queue:
            sent_s = time.perf_counter()
            if sent_s >= until_s:
                return
            writer.write(exchange.message)
            status, body, keep = await answer(reader)
            samples.latencies_s.append(time.perf_counter() - sent_s)
            if fault := exchange.fault(status, body):
                samples.failures.append(fault)
            if not keep:
                writer.close()
                reader, writer = await connect(where)
    finally:
        writer.close()


async def connect(where: Where) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection."""
    if isinstance(where, str):
        return await asyncio.open_unix_connection(where)
    return await asyncio.open_connection(*where)


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes, bool]:
    """Read an answer: its status, its body, and whether the connection stays."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    at = head.index(b"content-length:") + len(b"content-length:")
    length = int(head[at : head.index(b"\r\n", at)])
    body = await reader.readexactly(length) if length else b""
    return int(head[9:12]), body, b"connection: close" not in head
