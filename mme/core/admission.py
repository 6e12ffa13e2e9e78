"""May this load begin? Asked in a worker, before it takes the memory, where a platform evicts.

In a multi-model container nobody of ours decides who is loaded: the platform loads until it is told
507 and then unloads others. So a load that would not fit is refused while it costs nothing. What it
will take is guessed from the artifact's size, as the standalone endpoint does; several loads at
once see each other's guesses in a folder, where the kernel's lock on each file tells whether its
writer is still loading.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mme.core.memory import MemoryReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mme.core.memory import MemoryReading

ENVIRONMENT = "MME_ADMISSION"
MIB = 1024 * 1024
WORKER_BYTES = 4 * MIB
"""What a worker takes for itself, whatever its model."""


@dataclass(frozen=True, slots=True)
class Admission:
    """The terms of admission, handed from the endpoint to its workers."""

    folder: Path
    """Where loads under way are noted; private to one endpoint."""
    high: float
    """Share of the memory that loads may fill."""
    limit_bytes: int | None
    """The operator's own limit."""

    def as_environment(self) -> dict[str, str]:
        """The variable workers find these terms in."""
        terms = {"folder": str(self.folder), "high": self.high, "limit_bytes": self.limit_bytes}
        return {ENVIRONMENT: json.dumps(terms)}


def admission_of(environ: Mapping[str, str]) -> Admission | None:
    """The terms in a worker's environment; None where every load may begin."""
    text = environ.get(ENVIRONMENT)
    if not text:
        return None
    terms = json.loads(text)
    return Admission(Path(terms["folder"]), float(terms["high"]), terms["limit_bytes"])


def predicted_bytes(model_dir: Path) -> int:
    """What loading the unpacked artifact in `model_dir` will take, at most."""
    return WORKER_BYTES + sum(
        os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118 - fewer pages written
        for folder, _, names in os.walk(model_dir)
        for name in names
    )


def fits(reading: MemoryReading, high: float, needed_bytes: int, promised_bytes: int) -> bool:
    """Whether `needed_bytes` more stay below `high`, with what other loads were promised."""
    return reading.used_bytes + promised_bytes + needed_bytes <= high * reading.limit_bytes


@contextlib.contextmanager
def admitted(admission: Admission | None, model_dir: Path) -> Iterator[None]:
    """Load inside the block, or be refused. Raises MemoryError."""
    if admission is None:
        yield
        return
    needed_bytes = predicted_bytes(model_dir)
    note = admission.folder / str(os.getpid())
    with _locked(admission.folder / "gate"):
        reading = MemoryReader(admission.limit_bytes).read()
        promised_bytes = _promised(admission.folder)
        if not fits(reading, admission.high, needed_bytes, promised_bytes):
            raise MemoryError(
                f"loading takes about {needed_bytes // MIB} MiB; {reading.used_bytes // MIB} of"
                f" {reading.limit_bytes // MIB} MiB are in use and {promised_bytes // MIB} MiB"
                f" promised to other loads, and {admission.high:.0%} may be"
            )
        held = os.open(note, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(held, fcntl.LOCK_EX)
        os.write(held, str(needed_bytes).encode())
    try:
        yield
    finally:
        note.unlink(missing_ok=True)
        os.close(held)


def _promised(folder: Path) -> int:
    """The sum of all notes whose writers are loading still; others are removed."""
    promised = 0
    for note in folder.iterdir():
        if not note.name.isdigit():
            continue
        try:
            with _locked(note, wait=False):
                note.unlink(missing_ok=True)
        except BlockingIOError:
            with contextlib.suppress(OSError, ValueError):
                promised += int(note.read_text("ascii"))
    return promised


@contextlib.contextmanager
def _locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(descriptor)
