"""What everything around a model costs: one that does nothing, and one that does little.

The no-op is a foreign handler (`MME_HANDLER`), so it has a process of its own; stock serves the
same handler. The other is a sample artifact in the pool. Peers are for `peers`.
"""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import noop_handler
from benchmarks.stock import running_stock
from benchmarks.table import Row
from benchmarks.workload import TARGET, TEXTS, expected_answer, fill_store
from benchmarks.wrk import Call, Reports, checked, wrk
from tests.support.endpoint import running_endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS, ROUND_S = 3, 4
ONE, MANY = 1, 16
DATA = "DocSim"


def measure() -> list[Row]:
    """In turn, so that the machine's moods hit all."""
    with _stock_noop() as stock, ours_noop() as ours, _ours_data() as data:
        calls = {"stock": stock, "no-op": ours, "data": data}
        seen = {name: Reports() for name in calls}
        for call in calls.values():
            wrk(checked(call), MANY, 1)
        for _ in range(ROUNDS):
            for connections in (ONE, MANY):
                for name, call in calls.items():
                    seen[name].add(connections, wrk(call, connections, ROUND_S))
    p50_ms = {name: seen[name].p50_ms(ONE) for name in calls}
    rate = {name: seen[name].rate(MANY) for name in calls}
    return [
        Row(
            "warm request to a no-op model, p50 (p99), one connection",
            f"{p50_ms['stock']:.2f} ms ({seen['stock'].p99_ms(ONE):.2f})",
            f"{p50_ms['no-op']:.2f} ms ({seen['no-op'].p99_ms(ONE):.2f})",
        ),
        Row(
            f"the same, requests per second at {MANY} connections",
            f"{rate['stock']:,.0f}",
            f"{rate['no-op']:,.0f}",
        ),
        Row(
            f"warm request to a small {DATA} in the pool, p50 (p99), one connection",
            "-",
            f"{p50_ms['data']:.2f} ms ({seen['data'].p99_ms(ONE):.2f})",
        ),
        Row(f"the same, requests per second at {MANY} connections", "-", f"{rate['data']:,.0f}"),
    ]


@contextlib.contextmanager
def _stock_noop() -> Iterator[Call]:
    with running_stock(Path(noop_handler.__file__)) as stock:
        stock.load("m0", DATA)
        yield _noop(f"{stock.url}/models/m0/invoke", {})


@contextlib.contextmanager
def ours_noop() -> Iterator[Call]:
    """An endpoint with the no-op handler, and the request to it."""
    with _ours({"MME_HANDLER": noop_handler.__file__}) as (url, target):
        yield _noop(url, {TARGET: target})


@contextlib.contextmanager
def _ours_data() -> Iterator[Call]:
    kind, text = TEXTS[DATA][0]
    expected = expected_answer(DATA, kind, text)
    with _ours({}) as (url, target):
        headers = {TARGET: target, "Content-Type": kind}
        yield Call(url, headers, text.encode(), expected.__eq__)


def _noop(url: str, headers: dict[str, str]) -> Call:
    return Call(url, {"Content-Type": "text/plain", **headers}, b"hello", b"ok".__eq__)


@contextlib.contextmanager
def _ours(settings: dict[str, str]) -> Iterator[tuple[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        (model,) = fill_store(scratch / "store", 1, (DATA,))
        with running_endpoint(str(scratch / "store"), scratch, settings) as endpoint:
            yield f"{endpoint.url}/invocations", model.target
