"""The record beside an unpacked artifact, `entry.json`: written once, read with suspicion.

It is the truth about what is on this disk; the index only finds it faster.
"""

from __future__ import annotations

import json
import os
import stat
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from mme.core.artifact import Admitted, Findings, checked_number, checked_size

if TYPE_CHECKING:
    from pathlib import Path

ENTRY_FILE, MODEL_FOLDER, MAPPED_FOLDER = "entry.json", "model", "mapped"
MOST_ENTRY_BYTES = 1024 * 1024

Wanted = TypeVar("Wanted")


@dataclass(frozen=True, slots=True)
class Seal:
    """What an artifact's files were when they were admitted (`seal.py`)."""

    facts: str
    """A digest of names, sizes and times."""
    content: str
    """A digest of all contents."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An admitted artifact and what it takes on disk."""

    artifact: Admitted
    disk_bytes: int
    seal: Seal | None = None
    """None where a handler of somebody else may write beside its files."""


def to_json(entry: Entry) -> str:
    """The record; without paths, since the folder it lies in gives them."""
    artifact = entry.artifact
    return json.dumps(
        {
            "name": artifact.name,
            "target": artifact.target,
            "version": artifact.version,
            "archive_bytes": artifact.archive_bytes,
            "admitted_at": artifact.admitted_at,
            "disk_bytes": entry.disk_bytes,
            "findings": asdict(artifact.findings),
            "seal": None if entry.seal is None else asdict(entry.seal),
        }
    )


def from_json(text: str, folder: Path) -> Entry:
    """The record of the artifact in `folder`. Raises KeyError, TypeError, ValueError."""
    record = _checked(json.loads(text), dict)
    target = _checked(record["target"], str)
    target.encode()  # a lone surrogate is no text: a UnicodeEncodeError is a ValueError
    name = _checked(record["name"], str)
    if name != folder.name:
        raise ValueError(f"it is the record of {name!r}")
    return Entry(
        Admitted(
            name=name,
            target=target,
            version=_checked(record["version"], str),
            model_dir=folder / MODEL_FOLDER,
            scratch_dir=folder / MAPPED_FOLDER,
            archive_bytes=checked_size(record["archive_bytes"]),
            admitted_at=checked_number(record["admitted_at"]),
            findings=Findings.from_json(record["findings"]),
        ),
        disk_bytes=checked_size(record["disk_bytes"]),
        seal=_seal(record.get("seal")),
    )


def _seal(record: Any) -> Seal | None:
    """A seal; caches of earlier versions have none."""
    if record is None:
        return None
    return Seal(_checked(record["facts"], str), _checked(record["content"], str))


def read_entry(folder: Path) -> Entry | None:
    """The record in an artifact's folder; None if there is none that can be believed."""
    try:
        # Not to hang on a FIFO, nor to be led away by a link.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(folder / ENTRY_FILE, flags), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_ENTRY_BYTES:
                return None
            entry = from_json(file.read(MOST_ENTRY_BYTES).decode(), folder)
        is_folder = stat.S_ISDIR(os.lstat(folder / MODEL_FOLDER).st_mode)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    return entry if is_folder else None


def write_entry(folder: Path, entry: Entry, *, sync: bool = True) -> None:
    """Write the record; with `sync` it is on the disk before the folder gets its name."""
    path = folder / ENTRY_FILE
    path.unlink(missing_ok=True)  # an admission may have left something there
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o644), "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o644)
        file.write(to_json(entry))
        file.flush()
        if sync:
            os.fsync(file.fileno())


def _checked(value: Any, wanted: type[Wanted]) -> Wanted:
    if not isinstance(value, wanted):
        raise TypeError(f"{value!r} is no {wanted.__name__}")
    return value
