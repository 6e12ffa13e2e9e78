"""A hundred thousand artifacts on the disk: how long the cache takes to start and to answer."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from benchmarks.table import Row
from mme.cache import AdmissionTerms, ArtifactCache, ExtractionLimits
from tests.support.cached import put_artifacts

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")

KNOWN = 100_000
LIMITS = ExtractionLimits(archive_bytes=1, unpacked_bytes=1, files=1)
TERMS = AdmissionTerms(memory_bytes=1, cpu_s=1, checks=False)
ASKED = 2_000
PAGE = 100


def measure(known: int = KNOWN) -> list[Row]:
    """With a filled index, and after it was damaged."""
    with tempfile.TemporaryDirectory(prefix="mme-known-") as folder:
        root = Path(folder)
        targets = [
            (entry.artifact.name, entry.artifact.target) for entry in put_artifacts(root, known)
        ]
        filled_s, busy_s = asyncio.run(_filled(root))
        start_s, cache = _timed(lambda: ArtifactCache.open(root, LIMITS, TERMS))
        chosen = random.Random(3).choices(targets, k=ASKED)  # noqa: S311 - a workload
        lookup_s = _timed(lambda: [cache.lookup(name) for name, _ in chosen])[0] / ASKED
        page_s = _timed(lambda: [cache.page(target, PAGE) for _, target in chosen[:200]])[0] / 200
        one_s = _timed(lambda: asyncio.run(cache.drop_one(lambda _: False)))[0]
        cache.close()
    return [
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
