"""What tests of the disk cache share: caches, a store that stalls, artifacts put there."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import threading
from typing import TYPE_CHECKING

from mme.cache import AdmissionTerms, ArtifactCache, ExtractionLimits
from mme.cache.entry import MAPPED_FOLDER, MODEL_FOLDER, Entry, write_entry
from mme.cache.extract import extract
from mme.core.artifact import Admitted, Findings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mme.cache.admission import AdmissionJob


LIMITS = ExtractionLimits(archive_bytes=10**6, unpacked_bytes=10**6, files=50)
TERMS = AdmissionTerms(memory_bytes=1, cpu_s=2, checks=True)


@contextlib.contextmanager
def opened(root, **options):
    cache = ArtifactCache.open(root, LIMITS, TERMS, **options)
    try:
        yield cache
    finally:
        cache.close()


async def upkept(cache):
    """Let one round of upkeep come to its end."""
    done = asyncio.Event()

    async def pause():
        done.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(cache.upkeep(pause))
    waiting = asyncio.create_task(done.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def inside(folder):
    return sorted(path.name for path in folder.iterdir())


def aside(root):
    return sorted(path.name for path in root.glob("aside-*"))


async def admit(job: AdmissionJob) -> Findings:
    """An admission that unpacks, and that calls a copy of everything the converted form."""
    assert job.archive is not None
    with job.archive.open("rb") as source:
        extracted = await asyncio.to_thread(extract, source, job.model_dir, job.limits, job.uri)
    return Findings(unpacked_bytes=extracted.unpacked_bytes, details={"family": "Test"})


class SlowStore:
    """A store whose second chunk comes when a test says so."""

    def __init__(self, ref):
        self.ref = ref
        self.is_read, self.may_go_on, self.is_done = (threading.Event() for _ in range(3))

    @contextlib.contextmanager
    def open(self, ref):
        try:
            yield self
        finally:
            self.is_done.set()

    def read(self, size):
        if self.is_read.is_set():
            assert self.may_go_on.wait(10)
        self.is_read.set()
        return bytes(10)


def put_artifacts(root: Path, count: int, *, first: int = 0) -> Iterator[Entry]:
    """Put `count` small artifacts below a cache's root, as an earlier endpoint left them.

    The records of all of them follow, one by one as they are made.
    """
    for number in range(first, first + count):
        target = f"models/{number:06}.tar.gz"
        name = hashlib.md5(target.encode(), usedforsecurity=False).hexdigest()
        folder = root / "artifacts" / name
        (folder / MODEL_FOLDER).mkdir(parents=True)
        artifact = Admitted(
            name=name,
            target=target,
            version="1",
            model_dir=folder / MODEL_FOLDER,
            scratch_dir=folder / MAPPED_FOLDER,
            archive_bytes=10,
            admitted_at=float(number),
            findings=Findings(unpacked_bytes=20, details={"family": "Test", "language": "de"}),
        )
        entry = Entry(artifact, disk_bytes=4096)
        write_entry(folder, entry, sync=False)
        yield entry
