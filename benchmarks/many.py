"""Ten thousand models, loaded and answering, in one container of 1 GiB and 256 tasks.

Standalone, they come in as they are asked for. As a multi-model container, a platform loads one
after the other, and none may be refused for want of room. Each is asked when it has come, and again
when all have; every answer is checked.
"""

from __future__ import annotations

import random
import socket
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from benchmarks.footprint import MIB
from benchmarks.limits import bounded
from benchmarks.share import of
from benchmarks.table import Row
from benchmarks.traffic import Samples, drive, percentile_ms, post
from benchmarks.workload import FAMILIES, TEXTS, Model, exchanges, expected_answer, fill_store
from mme.core.settings import PROJECT_ROOT
from tests.support.endpoint import running_endpoint
from tests.support.platform import Platform

if TYPE_CHECKING:
    from benchmarks.limits import Bounds
    from benchmarks.traffic import Exchange
    from tests.support.endpoint import Endpoint

MODELS = 10_000
LIMIT_BYTES, MOST_TASKS = 1024 * MIB, 256
CONNECTIONS = 2
PAGE = 1000


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of one container."""

    loads: Samples
    again: Samples
    ready: int
    state: str
    """What that many are at the end: in memory, or, where a platform counts, loaded for it."""
    bounds: str
    kills: int


def measure() -> list[Row]:
    """Standalone, then as a multi-model container."""
    count = of(MODELS)
    with bounded(LIMIT_BYTES, MOST_TASKS) as bounds:
        standalone = _standalone(count, bounds)
    with bounded(LIMIT_BYTES, MOST_TASKS) as bounds:
        container = _container(count, bounds)
    return [
        *_rows("standalone", count, standalone),
        *_rows("multi-model container", count, container),
    ]


def _rows(way: str, count: int, seen: Seen) -> list[Row]:
    failures = seen.loads.failures + seen.again.failures
    if failures:
        print(f"{way}: {failures[:3]}", flush=True)
    return [
        Row(
            f"{way}: models loaded and answering in {LIMIT_BYTES // MIB} MiB, {MOST_TASKS} tasks",
            "-",
            f"{count:,}, {len(failures)} failures; {seen.ready:,} of them {seen.state}"
            f" at the end,"
            f" {seen.bounds}",
            f"{MODELS:,}, each answering correctly, nothing killed",
            met=count == MODELS and not failures and seen.kills == 0,
        ),
        Row(
            f"{way}: bringing one in, and asking each again in another order, p50 (p99)",
            "-",
            f"{_percentiles(seen.loads)}; {_percentiles(seen.again)}",
        ),
    ]


def _percentiles(samples: Samples) -> str:
    p50_ms, p99_ms = (percentile_ms(samples.latencies_s, percent) for percent in (50, 99))
    return f"{p50_ms:.1f} ms ({p99_ms:.0f})"


def _standalone(count: int, bounds: Bounds) -> Seen:
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        models = fill_store(scratch / "store", count)
        with running_endpoint(
            str(scratch / "store"), scratch, before_start=bounds.enter
        ) as endpoint:
            asked = [exchanges(endpoint.url, model) for model in models]
            first, again = ([each[number] for each in asked] for number in (0, 1))
            return _seen(endpoint, bounds, first, again, "in memory")


def _container(count: int, bounds: Bounds) -> Seen:
    """The platform unpacks, loads, and asks."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        models_dir = scratch / "models"
        settings = {
            "SAGEMAKER_MULTI_MODEL": "true",
            "SAGEMAKER_BIND_TO_PORT": str(_free_port()),
            "MME_MODELS_DIR": str(models_dir),
        }
        models = [
            Model(f"{family}-{number}.tar.gz", family)
            for number, family in enumerate(FAMILIES * (count // len(FAMILIES) + 1))
        ][:count]
        platform = Platform("", models_dir)
        names = _unpacked(platform, models, scratch)
        with running_endpoint("unused", scratch, settings, bounds.enter) as endpoint:
            platform.url = endpoint.url
            platform.wait_until_healthy()
            loads = [_load(endpoint.url, models_dir, name) for name in names]
            asked = [
                _ask(endpoint.url, name, model.family)
                for name, model in zip(names, models, strict=True)
            ]
            return _seen(endpoint, bounds, loads, asked, "listed as loaded")


def _seen(
    endpoint: Endpoint, bounds: Bounds, loads: list[Exchange], again: list[Exchange], state: str
) -> Seen:
    """Load all, ask all again in another order."""
    loaded = drive(endpoint.url, loads, connections=CONNECTIONS, total=len(loads))
    chosen = random.Random(5)  # noqa: S311 - a workload
    chosen.shuffle(again)
    asked = drive(endpoint.url, again, connections=CONNECTIONS, total=len(again))
    return Seen(loaded, asked, _ready(endpoint), state, str(bounds), bounds.kills)


def _ready(endpoint: Endpoint) -> int:
    """Models in a worker's memory; of a container, which says no more, those it lists."""
    ready, token = 0, ""
    with requests.Session() as session:
        while True:
            query = {"limit": str(PAGE)} | ({"next_page_token": token} if token else {})
            page = session.get(f"{endpoint.url}/models", params=query, timeout=60).json()
            ready += [model.get("state", "ready") for model in page["models"]].count("ready")
            token = str(page.get("nextPageToken", ""))
            if not token:
                return ready


def _unpacked(platform: Platform, models: list[Model], scratch: Path) -> list[str]:
    """Have each below the models' folder, as links to one copy of its family; their names."""
    for family in FAMILIES:
        with tarfile.open(PROJECT_ROOT / "artifacts" / f"{family}.tar.gz") as archive:
            archive.extractall(scratch / family, filter="data")
    return [platform.link(model.target, scratch / model.family) for model in models]


def _load(url: str, models_dir: Path, name: str) -> Exchange:
    body = f'{{"model_name": "{name}", "url": "{models_dir}/{name}/model"}}'.encode()
    return post(f"{url}/models", {"Content-Type": "application/json"}, body)


def _ask(url: str, name: str, family: str) -> Exchange:
    kind, text = TEXTS[family][0]
    expected = expected_answer(family, kind, text)
    return post(f"{url}/models/{name}/invoke", {"Content-Type": kind}, text.encode(), expected)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
