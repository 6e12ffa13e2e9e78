"""What a script model takes in memory and time, against the same toolkit on stock."""

from __future__ import annotations

import statistics
import tarfile
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from benchmarks import stock_toolkit
from benchmarks.footprint import MIB, anonymous_bytes
from benchmarks.stock import LOAD_TIMEOUT_S, Stock, running_stock
from benchmarks.table import Row
from tests.support.endpoint import Endpoint, running_endpoint
from tests.support.scripts import DOUBLING, script

if TYPE_CHECKING:
    from collections.abc import Callable

MODELS, ROUNDS, QUESTIONS = 8, 3, 20
KIND, BODY = "application/json", "[[1, 2.5], [3, 4]]"


def measure() -> list[Row]:
    """Each is loaded and asked; ours is unloaded and asked again, stock registered anew."""
    stock_bytes, stock_s, stock_warm_s = _stock()
    bytes_, cold_s, warm_s = _ours()
    return [
        Row(
            f"own anonymous memory per script model ({MODELS} of them)",
            f"{stock_bytes / MIB:.1f} MiB",
            f"{bytes_ / MIB:.1f} MiB, {stock_bytes / max(1, bytes_):.1f}x less",
        ),
        Row(
            "a script that is not in memory, asked, p50",
            f"{stock_s * 1000:,.0f} ms",
            f"{cold_s * 1000:,.0f} ms, {stock_s / cold_s:.1f}x better",
        ),
        Row(
            "one that is, p50", f"{stock_warm_s * 1000:.1f} ms", f"{warm_s * 1000:.1f} ms",
        ),
    ]  # fmt: skip


def _stock() -> tuple[float, float, float]:
    with running_stock(Path(stock_toolkit.__file__)) as stock:

        def again(name: str) -> None:
            stock.unload(name)
            _register(stock, name)

        def ask(name: str) -> None:
            stock.ask(name, KIND, BODY)

        _register(stock, "first")
        before = anonymous_bytes(stock.pid)
        for number in range(MODELS):
            _register(stock, f"m{number}")
        return _seen(stock.pid, before, ask, again)


def _register(stock: Stock, name: str) -> None:
    folder = script(stock.folder / name, DOUBLING)
    query = {"model_name": name, "url": str(folder), "synchronous": "true", "initial_workers": "1"}
    answer = requests.post(f"{stock.url}/models", params=query, timeout=LOAD_TIMEOUT_S)
    answer.raise_for_status()
    stock.ask(name, KIND, BODY)


def _ours() -> tuple[float, float, float]:
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        store = scratch / "store"
        store.mkdir()
        for name in ("first", *(f"m{number}" for number in range(MODELS))):
            made = script(scratch / "made" / name, DOUBLING)
            with tarfile.open(store / name, "w:gz") as archive:
                archive.add(made / "code", "code")
        with running_endpoint(str(store), scratch, {"MME_ALLOW_CODE": "1"}) as endpoint:

            def ask(name: str) -> None:
                _ask(endpoint, name)

            def again(name: str) -> None:
                url = f"{endpoint.url}/models/{name}"
                requests.delete(url, timeout=LOAD_TIMEOUT_S).raise_for_status()
                ask(name)

            ask("first")
            before = anonymous_bytes(endpoint.process.pid)
            for number in range(MODELS):
                ask(f"m{number}")
            return _seen(endpoint.process.pid, before, ask, again)


def _ask(endpoint: Endpoint, name: str) -> None:
    headers = {"X-Amzn-SageMaker-Target-Model": name, "Content-Type": KIND}
    answer = requests.post(
        f"{endpoint.url}/invocations", BODY, headers=headers, timeout=LOAD_TIMEOUT_S
    )
    answer.raise_for_status()


def _seen(
    pid: int, before_bytes: int, ask: Callable[[str], None], again: Callable[[str], None]
) -> tuple[float, float, float]:
    """Bytes a model, and medians in seconds: of asking it for the first time, and later."""
    names = [f"m{number}" for number in range(MODELS)]
    warm_s = [_took(ask, name) for name in names for _ in range(QUESTIONS)]
    grown = (anonymous_bytes(pid) - before_bytes) / MODELS
    cold_s = [_took(again, name) for name in names for _ in range(ROUNDS)]
    return grown, statistics.median(cold_s), statistics.median(warm_s)


def _took(act: Callable[[str], None], name: str) -> float:
    began_s = time.perf_counter()
    act(name)
    return time.perf_counter() - began_s
