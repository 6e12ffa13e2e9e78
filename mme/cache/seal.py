"""Whether an artifact's files are still those that were admitted, by what the file system says.

Sealing notes names, sizes and times of all files, which costs some microseconds to look at again,
and the sum of their contents, which costs seconds for a large artifact and is compared in the
background (`verify.py`). Only whoever owns the cache may be able to change a file: modes are set
so, and an artifact is not believed where they, or an owner, are others.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from typing import TYPE_CHECKING

from mme.cache.entry import ENTRY_FILE, MAPPED_FOLDER, MODEL_FOLDER, Seal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
DIGEST_BYTES = 16
PIECE_BYTES = 4 * 1024 * 1024
READING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class NotPlain(OSError):
    """Something that is neither file nor folder, such as a link: it is not followed."""


def sealed(folder: Path) -> Seal:
    """Let nobody else change the artifact in `folder`, and note what it is.

    Raises NotPlain: whoever left the files may have been hostile.
    """
    for name, status in _walk(folder):
        if status.st_mode & OTHERS_MAY_WRITE:
            file = os.open(folder / name, READING)
            try:
                with contextlib.suppress(PermissionError):  # where modes cannot be changed
                    os.fchmod(file, stat.S_IMODE(status.st_mode) & ~OTHERS_MAY_WRITE)
            finally:
                os.close(file)
    *_, content = content_steps(folder)
    return Seal(_facts(_walk(folder)), content)


def is_intact(folder: Path, seal: Seal) -> bool:
    """Whether the files in `folder` are those of `seal`, and nobody else's.

    Owners and modes are judged by what is around it: there are file systems that know one only.
    """
    try:
        around = os.stat(folder.parent)  # noqa: PTH116 - looked at before each load
        found = list(_walk(folder))
        found += [(name, os.lstat(f"{folder}/{name}")) for name in ("", ENTRY_FILE)]
    except OSError:
        return False
    others_may_write = OTHERS_MAY_WRITE & ~around.st_mode
    are_ours = all(
        status.st_uid == around.st_uid and not status.st_mode & others_may_write
        for _, status in found
    )
    return are_ours and _facts(found[:-2]) == seal.facts


def content_steps(folder: Path) -> Iterator[str]:
    """Add up the contents: nothing after each piece, the sum at the end."""
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for name, status in _walk(folder):
        digest.update(os.fsencode(name) + b"\0")
        if stat.S_ISREG(status.st_mode):
            with os.fdopen(os.open(folder / name, READING), "rb", buffering=0) as file:
                while piece := file.read(PIECE_BYTES):
                    digest.update(piece)
                    yield ""
    yield digest.hexdigest()


def _facts(found: Iterable[tuple[str, os.stat_result]]) -> str:
    facts = [
        (name, status.st_size, status.st_mtime_ns)
        if stat.S_ISREG(status.st_mode)
        else (name, stat.S_IFMT(status.st_mode))
        for name, status in found
    ]
    return hashlib.blake2b(repr(facts).encode(), digest_size=DIGEST_BYTES).hexdigest()


def _walk(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """What an artifact consists of, by its name in `folder`, always in one order."""
    root = f"{folder}/"
    waiting = [MODEL_FOLDER]
    yield MODEL_FOLDER, _plain(MODEL_FOLDER, os.lstat(root + MODEL_FOLDER))
    with contextlib.suppress(FileNotFoundError):  # there is none where nothing was converted
        _plain(MAPPED_FOLDER, os.lstat(root + MAPPED_FOLDER))
        waiting.append(MAPPED_FOLDER)
    while waiting:
        place = waiting.pop()
        with os.scandir(root + place) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            name = f"{place}/{entry.name}"
            yield name, _plain(name, entry.stat(follow_symlinks=False))
            if entry.is_dir(follow_symlinks=False):
                waiting.append(name)


def _plain(name: str, status: os.stat_result) -> os.stat_result:
    is_root = "/" not in name
    if stat.S_ISDIR(status.st_mode) or (stat.S_ISREG(status.st_mode) and not is_root):
        return status
    raise NotPlain(errno.EINVAL, f"{name[:64]!r} is neither file nor folder")
