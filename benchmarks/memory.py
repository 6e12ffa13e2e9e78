"""What one more resident model costs after it has answered: processes, share of the front end."""

from __future__ import annotations

import statistics
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import stock_handler
from benchmarks.footprint import MIB, command, descendants, own_bytes
from benchmarks.stock import running_stock
from benchmarks.table import Row
from benchmarks.traffic import drive
from benchmarks.workload import FAMILIES, TEXTS, Model, exchanges, fill_store
from tests.support.cgroup import memory_cgroup
from tests.support.endpoint import running_endpoint

if TYPE_CHECKING:
    from benchmarks.stock import Stock
    from tests.support.cgroup import MemoryCgroup
    from tests.support.endpoint import Endpoint

FIRST, MODELS = 10, 110
STOCK_MODELS = 4
LIMIT_BYTES = 8 * 1024 * MIB
AIM_BYTES, AIM_RATIO = 4 * MIB, 50


def measure() -> list[Row]:
    """Both inside a cgroup of their own, where one can be made, for the kernel's account."""
    with memory_cgroup(LIMIT_BYTES) as group:
        stock_bytes, stock_account = _stock(group)
    with memory_cgroup(LIMIT_BYTES) as group:
        by_family, front_end_bytes, account = _ours(group)
    means = {family: statistics.mean(each) + front_end_bytes for family, each in by_family.items()}
    mean = statistics.mean(means.values())
    ratio = stock_bytes / mean
    detail = ", ".join(f"{family} {each / MIB:.1f}" for family, each in sorted(means.items()))
    return [
        Row(
            "own memory per resident model (USS of its processes, share of the front end)",
            f"{stock_bytes / MIB:.0f} MiB",
            f"{mean / MIB:.1f} MiB ({detail}), {ratio:.0f}x better",
            "≤ 4 MiB and ≥ 50x better",
            met=mean <= AIM_BYTES and ratio >= AIM_RATIO,
        ),
        Row(
            "growth of the kernel's whole account per model (page tables, stacks, caches too)",
            _mib(stock_account),
            _mib(account),
        ),
    ]


def _mib(size_bytes: float | None) -> str:
    return "-" if size_bytes is None else f"{size_bytes / MIB:.1f} MiB"


def _stock(group: MemoryCgroup | None) -> tuple[float, float | None]:
    enter = group.enter if group is not None else None
    with running_stock(Path(stock_handler.__file__), enter) as stock:
        _use_stock(stock, "first")
        front_end, account = own_bytes(stock.pid), group.used_bytes if group else 0
        known = set(descendants(stock.pid))
        for number in range(STOCK_MODELS):
            _use_stock(stock, f"m{number}", FAMILIES[number % len(FAMILIES)])
        ours = sum(own_bytes(pid) for pid in descendants(stock.pid) if pid not in known)
        grown = own_bytes(stock.pid) - front_end
        charged = (group.used_bytes - account) / STOCK_MODELS if group else None
        return (ours + grown) / STOCK_MODELS, charged


def _use_stock(stock: Stock, name: str, family: str = FAMILIES[0]) -> None:
    stock.load(name, family)
    for kind, text in TEXTS[family]:
        stock.ask(name, kind, text)


def _ours(group: MemoryCgroup | None) -> tuple[dict[str, list[int]], float, float | None]:
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        models = fill_store(scratch / "store", MODELS)
        enter = group.enter if group is not None else None
        with running_endpoint(str(scratch / "store"), scratch, before_start=enter) as endpoint:
            _use(endpoint, models[:FIRST])
            front_end = _front_end(endpoint)
            before, account = own_bytes(front_end), group.used_bytes if group else 0
            _use(endpoint, models[FIRST:])
            grown = (own_bytes(front_end) - before) / (MODELS - FIRST)
            charged = (group.used_bytes - account) / (MODELS - FIRST) if group else None
            return _by_family(endpoint, front_end), grown, charged


def _use(endpoint: Endpoint, models: list[Model]) -> None:
    asked = [exchange for model in models for exchange in exchanges(endpoint.url, model)]
    seen = drive(endpoint.url, asked, connections=2, total=len(asked))
    assert not seen.failures, seen.failures[:3]


def _front_end(endpoint: Endpoint) -> int:
    return next(pid for pid in descendants(endpoint.process.pid) if "ModelServer" in command(pid))


def _by_family(endpoint: Endpoint, front_end: int) -> dict[str, list[int]]:
    """What worker and launcher of each model own."""
    launcher_bytes = [own_bytes(pid) for pid in descendants(front_end)]
    found: dict[str, list[int]] = defaultdict(list)
    for pid in descendants(endpoint.process.pid):
        folder = Path(f"/proc/{pid}/cwd").readlink()
        for family in FAMILIES:
            if "mme.prefork" in command(pid) and (folder / f"{family}-params.json").exists():
                found[family].append(own_bytes(pid) + round(statistics.mean(launcher_bytes)))
    assert sum(map(len, found.values())) == MODELS == len(launcher_bytes)
    return found
