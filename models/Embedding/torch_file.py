"""Tensors of a file that torch has saved, read without torch: `pytorch_model.bin` of model folders.

Such a file is a ZIP archive: a pickle, which says what the tensors are called and which part of
which storage each is, and the storages' bytes. The pickle is read as data: of all names that it may
hold five are known, none of which does anything. Files of before torch 1.6 are no archives and are
refused. Only floating point is read, as float32. Source: PyTorch, "Serialization semantics".
"""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

PICKLE, STORAGES, BYTE_ORDER = "data.pkl", "data/", "byteorder"
MOST_PICKLE_BYTES = 64 * 1024 * 1024
_KINDS: dict[str, np.dtype[Any]] = {
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": np.dtype("<u2"),
    "DoubleStorage": np.dtype("<f8"),
}
_OTHERS = ("LongStorage", "IntStorage", "ShortStorage", "CharStorage", "ByteStorage", "BoolStorage")
"""Of numbers that are no weights, such as positions: there, and not read."""
BFLOAT16 = "BFloat16Storage"


class _Kind:
    """A class of storages."""

    def __init__(self, name: str) -> None:
        self.name = name


@dataclass(frozen=True, slots=True)
class _Storage:
    kind: str
    key: str


@dataclass(frozen=True, slots=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Dict(dict[Any, Any]):
    """An OrderedDict, without what is told of it besides."""

    def __setstate__(self, state: object) -> None:
        """Leave it."""


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: object) -> _Tensor:
    numbers = [offset, *shape, *strides]
    if not isinstance(storage, _Storage) or not all(type(each) is int for each in numbers):
        raise pickle.UnpicklingError("a tensor of something else")
    if min(numbers) < 0 or len(shape) != len(strides):
        raise pickle.UnpicklingError("a tensor of no shape")
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


def _parameter(tensor: object, *_: object) -> object:
    return tensor


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        match module, name:
            case "collections", "OrderedDict":
                return _Dict
            case "torch._utils", "_rebuild_tensor_v2":
                return _tensor
            case "torch._utils", "_rebuild_parameter":
                return _parameter
            case "torch", _ if name in _KINDS or name in _OTHERS:
                return _Kind(name)
        raise pickle.UnpicklingError(f"it names {module[:100]}.{name[:100]}")

    def persistent_load(self, pid: Any) -> _Storage:
        match pid:
            case ("storage", _Kind() as kind, str(key), *_):
                return _Storage(kind.name, key)
        raise pickle.UnpicklingError("it refers to what is no storage")


class TorchTensors:
    """The tensors of one file by name. Raises OSError, and ValueError for one that is no such."""

    def __init__(self, path: Path) -> None:
        try:
            self._archive = zipfile.ZipFile(path)
            self._folder = _folder_of(self._archive)
            pickled = self._archive.read(self._folder + PICKLE)
        except zipfile.BadZipFile as error:
            raise ValueError("is no file of torch 1.6 or later: save it anew") from error
        try:
            said = _Reader(io.BytesIO(pickled)).load()
        except Exception as error:  # a pickle may fail in any way
            raise ValueError(f"{PICKLE} cannot be read: {error}") from error
        named = said.items() if isinstance(said, dict) else ()
        self._tensors = {
            name: each
            for name, each in named
            if isinstance(name, str) and isinstance(each, _Tensor) and each.storage.kind in _KINDS
        }

    def names(self) -> list[str]:
        """The names of all."""
        return [*self._tensors]

    def get(self, name: str) -> NDArray[np.float32]:
        """One tensor. Raises KeyError, ValueError."""
        tensor = self._tensors[name]
        kind = _KINDS[tensor.storage.kind]
        count = math.prod(tensor.shape)
        try:
            raw = self._archive.read(f"{self._folder}{STORAGES}{tensor.storage.key}")
        except (KeyError, zipfile.BadZipFile) as error:
            raise ValueError(f"{name}: its numbers cannot be read") from error
        if count and tensor.strides != _plain_strides(tensor.shape):
            raise ValueError(f"{name}: its numbers are in another order")
        if (tensor.offset + count) * kind.itemsize > len(raw):
            raise ValueError(f"{name}: {count} numbers in {len(raw)} bytes")
        found = np.frombuffer(raw, kind, count, tensor.offset * kind.itemsize)
        if tensor.storage.kind == BFLOAT16:
            found = (found.astype("<u4") << 16).view("<f4")
        return np.asarray(found.reshape(tensor.shape), np.float32)


def _folder_of(archive: zipfile.ZipFile) -> str:
    """The folder in the archive that all is in. Raises ValueError."""
    pickles = [name for name in archive.namelist() if name.endswith(f"/{PICKLE}")]
    if len(pickles) != 1:
        raise ValueError(f"has {len(pickles)} files {PICKLE}; torch writes one")
    folder = pickles[0].removesuffix(PICKLE)
    if archive.getinfo(pickles[0]).file_size > MOST_PICKLE_BYTES:
        raise ValueError(f"{PICKLE} has more than {MOST_PICKLE_BYTES} bytes")
    order = f"{folder}{BYTE_ORDER}"
    if order in archive.namelist() and archive.read(order) != b"little":
        raise ValueError("has its bytes in another order")
    return folder


def _plain_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))
