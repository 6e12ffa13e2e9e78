"""Whether the folders the endpoint writes can be written, are free, and have room for the store."""

from __future__ import annotations

import fcntl
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mme.doctor.finding import Finding, failed, ok, sized, warning

if TYPE_CHECKING:
    from mme.core.settings import Settings
    from mme.doctor.needs import Needs

CACHE, STATE, TEMPORARY = "disk: cache", "disk: state", "disk: temporary"
LEAST_STATE_BYTES = 64 << 20
LOCK = "lock"
"""The file, in both folders, that whoever uses it holds."""


@dataclass(frozen=True, slots=True)
class Folder:
    """What a folder is found to be."""

    path: Path
    trouble: str = ""
    """Why it cannot be written."""
    free_bytes: int = 0
    free_files: int | None = None
    """Files more that its file system takes; None: it sets no limit."""
    holder: str = ""
    """The process that uses it, "?" if it does not say; "": nobody does."""


def check_disk(settings: Settings, needs: Needs, archive_bytes: int) -> list[Finding]:
    """Cache, state and temporary folder. Blocking. `archive_bytes`: of all artifacts, packed."""
    return [
        judge_cache(look_at(settings.cache_dir), settings, needs, archive_bytes),
        judge_state(look_at(settings.state_dir), settings),
        check_temporary(),
    ]


def look_at(path: Path) -> Folder:
    """See whether a folder can be made and written; what had to be made for that is removed."""
    made = [each for each in (path, *path.parents) if not each.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path) as probe:
            probe.write(b"x")
            probe.flush()
        facts = os.statvfs(path)
        found = Folder(
            path,
            "",
            facts.f_bavail * facts.f_frsize,
            facts.f_favail if facts.f_files else None,
            _holder(path / LOCK),
        )
    except OSError as error:
        found = Folder(path, error.strerror or type(error).__name__)
    for each in made:
        try:
            each.rmdir()
        except OSError:
            break
    return found


def judge_cache(folder: Folder, settings: Settings, needs: Needs, archive_bytes: int) -> Finding:
    """Whether all models, and the largest one, have room in the cache."""
    facts: dict[str, Any] = {
        "folder": str(folder.path),
        "free_bytes": folder.free_bytes,
        "needed_bytes": needs.disk_bytes or archive_bytes,
    }
    if folder.trouble:
        return _unusable(CACHE, "cache_dir", folder, settings)
    limit = settings.cache_limit_bytes
    room = folder.free_bytes if limit is None else min(folder.free_bytes, limit)
    whose = "" if limit is None else f" (MME_CACHE_LIMIT_BYTES allows {sized(limit)})"
    have = f"{folder.path}: {sized(folder.free_bytes)} free{whose}"
    largest = needs.largest_on_disk
    if largest is not None and largest.disk_bytes + largest.archive_bytes > room:
        return failed(
            CACHE,
            f"{have}; {largest.target} needs {sized(largest.disk_bytes + largest.archive_bytes)}",
            "make room, or name another folder in MME_CACHE_DIR", **facts, largest=largest.target,
        )  # fmt: skip
    used_by = f"; {_used_by(folder)}" if folder.holder else ""
    if folder.free_files == 0:
        return failed(CACHE, f"{have}, and no file more can be made there (inodes)", **facts)
    if needs.models and needs.disk_bytes > room:
        return warning(
            CACHE,
            f"{have}; all models take {sized(needs.disk_bytes)}: what was wanted longest ago is"
            f" dropped and fetched again{used_by}",
            "make room, or name another folder in MME_CACHE_DIR", **facts,
        )  # fmt: skip
    if not needs.models and archive_bytes > room:
        return warning(
            CACHE, f"{have}; the archives alone have {sized(archive_bytes)}{used_by}", **facts
        )
    all_of_it = f"; all models take {sized(needs.disk_bytes)}" if needs.models else ""
    return ok(CACHE, f"{have}{all_of_it}{used_by}", **facts)


def judge_state(folder: Folder, settings: Settings) -> Finding:
    """Whether endpoints and queued requests can be kept."""
    if folder.trouble:
        return _unusable(STATE, "state_dir", folder, settings)
    facts = {"folder": str(folder.path), "free_bytes": folder.free_bytes}
    have = f"{folder.path}: {sized(folder.free_bytes)} free"
    if folder.free_bytes < LEAST_STATE_BYTES:
        return warning(STATE, have, "make room: a full disk refuses queued requests", **facts)
    return ok(STATE, f"{have}; {_used_by(folder)}" if folder.holder else have, **facts)


def check_temporary() -> Finding:
    """Whether programs may run in the folder for temporary files, where it starts its workers."""
    try:
        path = Path(tempfile.gettempdir())
        is_noexec = bool(os.statvfs(path).f_flag & os.ST_NOEXEC)
    except OSError as error:
        return failed(TEMPORARY, f"there is none: {error}", "set TMPDIR to a folder")
    if is_noexec:
        return failed(
            TEMPORARY, f"no program may run in {path} (it is mounted noexec)",
            "set TMPDIR to a folder where programs may", folder=str(path),
        )  # fmt: skip
    named = os.environ.get("TMPDIR")
    if named and Path(named).exists() and not path.samefile(named):
        return warning(
            TEMPORARY, f"TMPDIR={named} cannot be written: {path} is used instead",
            f"let user {os.geteuid()} write it", folder=str(path),
        )  # fmt: skip
    return ok(TEMPORARY, str(path), folder=str(path))


def _unusable(check: str, setting: str, folder: Folder, settings: Settings) -> Finding:
    found = f"{folder.path} cannot be written: {folder.trouble}"
    advice = f"let user {os.geteuid()} write it, or name another folder in MME_{setting.upper()}"
    if setting in settings.model_fields_set:
        return failed(check, found, advice, folder=str(folder.path))
    return warning(
        check, f"{found}; a private one is used, which goes with the endpoint", advice,
        folder=str(folder.path),
    )  # fmt: skip


def _used_by(folder: Folder) -> str:
    who = "an endpoint" if folder.holder == "?" else f"an endpoint (pid {folder.holder})"
    return f"{who} uses it, no second one can"


def _holder(lock: Path) -> str:
    """Who holds the lock; "": nobody does."""
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return ""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        said = os.read(descriptor, 32).decode("ascii", "replace").strip()
        return said if said.isdecimal() else "?"
    except OSError:
        return ""
    else:
        return ""
    finally:
        os.close(descriptor)
