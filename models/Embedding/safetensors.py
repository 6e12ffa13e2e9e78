"""Tensors of a safetensors file, mapped: the form in which model folders keep weights.

Only floating point is read, as float32. Source: safetensors, "Format".
"""

from __future__ import annotations

import json
import mmap
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MOST_HEADER_BYTES = 100_000_000
LENGTH_BYTES = 8
_KINDS: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
}


class Tensors:
    """The tensors of one file by name. Raises OSError, and ValueError for one that is damaged."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._memory = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        length = int.from_bytes(self._memory[:LENGTH_BYTES], "little")
        self._start = LENGTH_BYTES + length
        if length > MOST_HEADER_BYTES or self._start > len(self._memory):
            raise ValueError("is no safetensors file")
        try:
            header = json.loads(self._memory[LENGTH_BYTES : self._start])
        except RecursionError:
            header = None
        if not isinstance(header, dict):
            raise ValueError("is no safetensors file")  # noqa: TRY004 - of a file, not an argument
        self._header: dict[str, Any] = header

    def names(self) -> list[str]:
        """The names of all."""
        return [name for name in self._header if name != "__metadata__"]

    def get(self, name: str) -> NDArray[np.float32]:
        """One tensor. Raises KeyError, ValueError."""
        entry = self._header[name]
        try:
            kind, shape = _KINDS[entry["dtype"]], tuple(entry["shape"])
            begin, end = entry["data_offsets"]
            count = (end - begin) // kind.itemsize
        except (KeyError, TypeError) as error:
            raise ValueError(f"{name} is of a kind that is not read") from error
        if not 0 <= begin <= end:  # a negative count is all that follows
            raise ValueError(f"{name} is from byte {begin} to {end}, which is nowhere")
        try:
            raw = np.frombuffer(self._memory, kind, count, self._start + begin).reshape(shape)
        except (TypeError, OverflowError) as error:
            raise ValueError(f"{name}: {error}") from error
        if entry["dtype"] == "BF16":
            raw = (raw.astype("<u4") << 16).view("<f4")
        return np.asarray(raw, np.float32)
