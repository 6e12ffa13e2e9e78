"""Where `mme plan` has its trace from: a file, the standard input, an endpoint, or Zipf's law."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mme.cli.client import refusal_of
from mme.cli.options import endpoint_of
from mme.planning.reading import read_trace
from mme.planning.trace import Trace
from mme.planning.zipf import zipf_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import BinaryIO

    from mme.planning.costs import Costs
    from mme.planning.plan import Progress

STDIN = "-"
PATH = "/trace"


class SourceError(ValueError):
    """There is no trace, or there are two."""


@dataclass(frozen=True, slots=True)
class Source:
    """A trace, as often as it is wanted."""

    name: str
    chunks: Callable[[], Iterable[Trace]]
    costs: Costs | None = None
    """What it says itself of what models cost."""

    def without_times(self) -> Source:
        """The same, without what it says of how long requests were computed."""
        given = self.chunks
        return replace(self, chunks=lambda: (_untimed(chunk) for chunk in given()))


def _untimed(chunk: Trace) -> Trace:
    return Trace(chunk.at_s, chunk.model, chunk.names, None)


def source_of(trace: str | None, zipf: str | None, token: str | None, told: Progress) -> Source:
    """The trace that is meant.

    Raises SourceError, TraceError, ZipfError, and what asking an endpoint does.
    """
    if (trace is None) == (zipf is None):
        raise SourceError("a trace is needed: either --trace or --zipf")
    if trace is None:
        return Source(f"zipf {zipf}", zipf_of(zipf or "").chunks)
    with _opened(trace, token) as file:
        found = read_trace(file, trace, lambda lines: told(lines, 0.0))
    return Source(trace, lambda: [found.trace], found.costs)


def _opened(trace: str, token: str | None) -> BinaryIO:
    if trace == STDIN:
        return sys.stdin.buffer
    if trace.startswith(("http://", "https://", "unix://")):
        return io.BufferedReader(io.BytesIO(_asked(trace, token)))
    try:
        return Path(trace).open("rb")
    except OSError as error:
        raise SourceError(f"--trace {trace}: {error.strerror or error}") from error


def _asked(url: str, token: str | None) -> bytes:
    """What an endpoint answers. Raises BadAddress, EndpointUnreachable, Refused."""
    base, _, query = url.partition("?")
    path = f"{PATH}?{query}" if query else PATH
    base = base.rstrip("/").removesuffix(PATH)
    reply = endpoint_of(base, token).ask("GET", path)
    if not reply.is_good:
        raise refusal_of(reply)
    return reply.body
