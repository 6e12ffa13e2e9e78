"""Named arrays in one mapped file, made once from an artifact and used by all later loads.

The file lies in a scratch folder of the model, never beside the artifact, which may be read-only.
It is named after the artifact's files (sizes, times, inodes): a changed artifact has another one.
Whatever is wrong with a file found there, it is made anew: it is a copy, nothing is lost. Several
processes may convert one artifact at once: each writes a file of its own and renames it.

Converting reads the artifact's own files, which may be hostile, and takes many times the memory of
what it leaves. `only_map` rules it out for a process that is to stay small and safe.

Layout: magic, length of the header (8 bytes, little endian), the header in JSON (facts, and for
each array name, dtype, shape, offset), the arrays at multiples of 64 bytes.
"""

from __future__ import annotations

import hashlib
import json
import logging
import mmap
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np

from models.errors import NotConverted, is_short_of_room

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

MAGIC = b"MMEMAP02"
ALIGNMENT = 64

log = logging.getLogger(__name__)

_only_maps = Event()


@dataclass(frozen=True, slots=True)
class Mapped:
    """Arrays, read-only, and plain facts beside them."""

    arrays: Mapping[str, NDArray[Any]]
    facts: Mapping[str, Any]


def only_map() -> None:
    """Let this process and its later forks convert nothing more; there is no way back.

    An admission can call it after converting: a model that loads then loads from mapped files.
    """
    _only_maps.set()


def check_may_convert(file: str | Path) -> None:
    """Raise NotConverted, which names `file`, where `only_map` was called."""
    if _only_maps.is_set():
        raise NotConverted(file)


def mapped(
    scratch: Path | None, sources: Sequence[Path], form: str, build: Callable[[], Mapped]
) -> Mapped:
    """What `build` makes of the files `sources`, from a mapped file if there can be one.

    `form` names the shape of the content and changes with it. Without a scratch folder, or where
    that cannot be written, the arrays stay in memory. Raises what `build` raises; NotConverted
    instead of building after `only_map`; OSError where memory or file descriptors have run out.
    """
    path = None if scratch is None else scratch / f"{_identity(sources, form)}.mapped"
    if path is not None and (found := _read_if_whole(path)) is not None:
        return found
    check_may_convert(sources[0] if sources else form)
    made = build()
    if path is None:
        return made
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, made)
    except OSError as error:
        log.warning("cannot keep a converted artifact: %s", error)
        return made
    return _read_if_whole(path) or made


def _read_if_whole(path: Path) -> Mapped | None:
    try:
        return read(path)
    except (OSError, ValueError, KeyError) as error:
        # The file may well be good; making it anew would run out of the same.
        if is_short_of_room(error):
            raise
        return None


def write(path: Path, content: Mapped) -> None:
    """Write a mapped file; it appears whole or not at all."""
    entries: list[dict[str, Any]] = []
    offset = 0
    for name, array in content.arrays.items():
        offset = _aligned(offset)
        entries.append(
            {"name": name, "dtype": array.dtype.str, "shape": array.shape, "offset": offset}
        )
        offset += array.nbytes
    header = json.dumps({"facts": dict(content.facts), "arrays": entries}).encode()
    start = _aligned(len(MAGIC) + 8 + len(header))
    descriptor, partial = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(MAGIC + len(header).to_bytes(8, "little") + header)
            for entry, array in zip(entries, content.arrays.values(), strict=True):
                file.seek(start + entry["offset"])
                np.ascontiguousarray(array).tofile(file)
            file.truncate(start + offset)
        Path(partial).chmod(0o644)
        Path(partial).replace(path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def read(path: Path) -> Mapped:
    """Map a file; OSError, ValueError or KeyError if it is not there or not whole."""
    with path.open("rb") as file:
        memory = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    if memory[: len(MAGIC)] != MAGIC:
        raise ValueError("not a mapped file")
    body = len(MAGIC) + 8
    length = int.from_bytes(memory[len(MAGIC) : body], "little")
    start = _aligned(body + length)
    try:
        header = json.loads(memory[body : body + length])
        arrays = {entry["name"]: _array(entry, memory, start) for entry in header["arrays"]}
        return Mapped(arrays, dict(header["facts"]))
    except (TypeError, OverflowError, RecursionError) as error:
        raise ValueError(f"its header is damaged: {error}") from None


def _array(entry: Mapping[str, Any], memory: mmap.mmap, start: int) -> NDArray[Any]:
    offset, shape = entry["offset"], entry["shape"]
    if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in (offset, *shape)):
        raise ValueError(f"an array at {offset} of shape {shape}")
    return np.ndarray(shape, _number(entry["dtype"]), buffer=memory, offset=start + offset)


def _number(dtype: object) -> np.dtype[Any]:
    """A dtype of plain numbers; others would let a file's bytes be taken for objects."""
    # As `write` says it: NumPy reads much more into a string, and raises whatever comes of that.
    if not (isinstance(dtype, str) and re.fullmatch("[<>|=][uif][1248]", dtype)):
        raise ValueError(f"an array of {dtype!r}")
    return np.dtype(dtype)


def _aligned(offset: int) -> int:
    return -(-offset // ALIGNMENT) * ALIGNMENT


def _identity(sources: Sequence[Path], form: str) -> str:
    facts: list[object] = [form]
    for path in sources:
        status = path.stat()
        facts += [path.name, status.st_size, status.st_mtime_ns, status.st_ino]
    # Python has this hash itself; for one of OpenSSL's each worker would have to set OpenSSL up.
    return hashlib.blake2b(repr(facts).encode(), digest_size=16).hexdigest()
