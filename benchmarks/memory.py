"""What one more loaded model takes after it has answered: anonymous memory of all processes."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks import stock_handler
from benchmarks.footprint import KIB, MIB, anonymous_bytes
from benchmarks.stock import Stock, running_stock
from benchmarks.table import Row
from benchmarks.traffic import drive
from benchmarks.workload import FAMILIES, TEXTS, Model, exchanges, fill_store
from tests.support.endpoint import Endpoint, running_endpoint

FIRST, MODELS = 60, 360
STOCK_MODELS = 6
AIM_BYTES = 64 * KIB


def measure() -> list[Row]:
    """The growth between some models and many, shared out among those that came."""
    stock_bytes = _stock()
    ours_bytes = _ours(FAMILIES)
    detail = ", ".join(f"{family} {_ours((family,)) / KIB:.0f}" for family in FAMILIES)
    return [
        Row(
            f"own anonymous memory per loaded model ({MODELS - FIRST} of them)",
            f"{stock_bytes / MIB:.0f} MiB",
            f"{ours_bytes / KIB:.0f} KiB ({detail}), {stock_bytes / max(1, ours_bytes):,.0f}x less",
            f"≤ {AIM_BYTES // KIB} KiB",
            met=ours_bytes <= AIM_BYTES,
        )
    ]


def _stock() -> float:
    with running_stock(Path(stock_handler.__file__)) as stock:
        _use_stock(stock, "first", FAMILIES[0])
        before = anonymous_bytes(stock.pid)
        for number in range(STOCK_MODELS):
            _use_stock(stock, f"m{number}", FAMILIES[number % len(FAMILIES)])
        return (anonymous_bytes(stock.pid) - before) / STOCK_MODELS


def _use_stock(stock: Stock, name: str, family: str) -> None:
    stock.load(name, family)
    for kind, text in TEXTS[family]:
        stock.ask(name, kind, text)


def _ours(families: tuple[str, ...]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        models = fill_store(scratch / "store", MODELS, families)
        with running_endpoint(str(scratch / "store"), scratch) as endpoint:
            _use(endpoint, models[:FIRST])
            before = anonymous_bytes(endpoint.process.pid)
            _use(endpoint, models[FIRST:])
            grown = anonymous_bytes(endpoint.process.pid) - before
    return grown / (MODELS - FIRST)


def _use(endpoint: Endpoint, models: list[Model]) -> None:
    asked = [exchange for model in models for exchange in exchanges(endpoint.url, model)]
    seen = drive(endpoint.url, asked, connections=2, total=len(asked))
    assert not seen.failures, seen.failures[:3]
