"""Artifacts for tests of the disk cache: admitted without a process apart, or simply put there."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

from mme.cache.entry import MAPPED_FOLDER, MODEL_FOLDER, Entry, write_entry
from mme.cache.extract import extract
from mme.core.artifact import Admitted, Findings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mme.cache.admission import AdmissionJob


async def admit(job: AdmissionJob) -> Findings:
    """An admission that unpacks, and that calls a copy of everything the converted form."""
    assert job.archive is not None
    with job.archive.open("rb") as source:
        extracted = await asyncio.to_thread(extract, source, job.model_dir, job.limits, job.uri)
    return Findings(unpacked_bytes=extracted.unpacked_bytes, details={"family": "Test"})


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
