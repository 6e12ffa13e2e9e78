"""A hundred thousand artifacts on the disk: how long cache and endpoint take to start and answer.

The artifacts on the disk are records without contents, which nobody asks; the store holds a hundred
thousand archives of the same names.
"""

from __future__ import annotations

import asyncio
import base64
import random
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from benchmarks.share import of
from benchmarks.table import Row
from benchmarks.traffic import drive, request
from mme.cache import AdmissionTerms, ArtifactCache, ExtractionLimits
from mme.core.settings import PROJECT_ROOT
from tests.support.cached import put_artifacts
from tests.support.endpoint import running_endpoint

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")

KNOWN = 100_000
LIMITS = ExtractionLimits(archive_bytes=1, unpacked_bytes=1, files=1)
TERMS = AdmissionTerms(memory_bytes=1, cpu_s=1, checks=False)
ASKED = 2_000
PAGE, PAGES = 100, 300
LINKS = 50_000
"""A file may have so many names, and some more."""
AIM_READY_S, AIM_PAGE_MS = 5.0, 50.0


def measure() -> list[Row]:
    """The cache alone, then an endpoint on it."""
    known = of(KNOWN)
    with tempfile.TemporaryDirectory(prefix="mme-known-") as folder:
        root = Path(folder) / "cache"
        rows, targets = _cache_rows(root, known)
        _fill_store(Path(folder) / "store", targets)
        return _endpoint_rows(Path(folder), targets) + rows


def _fill_store(folder: Path, targets: list[str]) -> None:
    """An archive for each, as names of a few files."""
    original = folder
    for number, target in enumerate(targets):
        file = folder / target
        file.parent.mkdir(parents=True, exist_ok=True)
        if number % LINKS == 0:
            original = file
            shutil.copy(PROJECT_ROOT / "artifacts" / "DocSim.tar.gz", file)
        else:
            file.hardlink_to(original)


def _endpoint_rows(scratch: Path, targets: list[str]) -> list[Row]:
    """From the command to the line that it is ready, then pages from anywhere."""
    began_s = time.perf_counter()
    with running_endpoint(str(scratch / "store"), scratch) as endpoint:
        ready_s = time.perf_counter() - began_s
        chosen = random.Random(4).choices(targets, k=PAGES)  # noqa: S311 - a workload
        tokens = [base64.urlsafe_b64encode(target.encode()).decode() for target in chosen]
        pages = [
            request("GET", f"{endpoint.url}/models?limit={PAGE}&next_page_token={token}")
            for token in tokens
        ]
        seen = drive(endpoint.url, pages, connections=1, total=len(pages))
    assert not seen.failures, seen.failures[:3]
    page_ms = seen.percentile_ms(50)
    return [
        Row(
            f"endpoint with {len(targets):,} artifacts in store and on disk, from start to ready",
            "-",
            f"{ready_s:.1f} s",
            f"≤ {AIM_READY_S:g} s",
            met=ready_s <= AIM_READY_S,
        ),
        Row(
            f"a page of {PAGE} by `GET /models`, p50 (p99)",
            "-",
            f"{page_ms:.1f} ms ({seen.percentile_ms(99):.1f})",
            f"≤ {AIM_PAGE_MS:g} ms",
            met=page_ms <= AIM_PAGE_MS,
        ),
    ]


def _cache_rows(root: Path, known: int) -> tuple[list[Row], list[str]]:
    """With a filled index, and after it was damaged; and the targets there."""
    targets = [(entry.artifact.name, entry.artifact.target) for entry in put_artifacts(root, known)]
    filled_s, busy_s = asyncio.run(_filled(root))
    start_s, cache = _timed(lambda: ArtifactCache.open(root, LIMITS, TERMS))
    chosen = random.Random(3).choices(targets, k=ASKED)  # noqa: S311 - a workload
    lookup_s = _timed(lambda: [cache.lookup(name) for name, _ in chosen])[0] / ASKED
    page_s = _timed(lambda: [cache.page(target, PAGE) for _, target in chosen[:200]])[0] / 200
    one_s = _timed(lambda: asyncio.run(cache.drop_one(lambda _: False)))[0]
    cache.close()
    rows = [
        Row(f"start of the cache with {known:,} artifacts", "-", f"{1000 * start_s:.1f} ms"),
        Row("finding one of them", "-", f"{1e6 * lookup_s:.0f} µs"),
        Row(f"a page of {PAGE} of them", "-", f"{1000 * page_s:.2f} ms"),
        Row("dropping the one wanted longest ago", "-", f"{1000 * one_s:.1f} ms"),
        Row(
            "filling an index that was lost, beside the work",
            "-",
            f"{filled_s:.1f} s, the event loop busy for at most {1000 * busy_s:.0f} ms at a time",
        ),
    ]
    return rows, [target for _, target in targets]


async def _filled(root: Path) -> tuple[float, float]:
    """Seconds until the index is whole, and the longest the event loop was kept."""
    cache = ArtifactCache.open(root, LIMITS, TERMS)
    filled = asyncio.Event()

    async def pause() -> None:
        filled.set()
        await asyncio.Event().wait()

    began_s = time.perf_counter()
    upkeep = asyncio.create_task(cache.upkeep(pause))
    longest_s, last_s = 0.0, began_s
    while not filled.is_set():
        await asyncio.sleep(0)
        now_s = time.perf_counter()
        longest_s, last_s = max(longest_s, now_s - last_s), now_s
    upkeep.cancel()
    cache.close()
    return last_s - began_s, longest_s


def _timed(work: Callable[[], Result]) -> tuple[float, Result]:
    began_s = time.perf_counter()
    result = work()
    return time.perf_counter() - began_s, result
