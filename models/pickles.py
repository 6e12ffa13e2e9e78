"""Reading pickles as data: nothing a pickle names is ever called or imported.

A pickle is a program whose instructions name functions. Here each name in a short list resolves to
a stand-in that only keeps what it is given (`records`), and every other name is an ArtifactError.
NumPy arrays come out as `ArrayRecord`s, instances of gensim's classes as `Inert` objects. What
memory reading takes is in proportion to the file. A hostile pickle can still use up processor time,
or the stack, of the process that reads it; that is the process of the artifact's admission, which
has limits and serves no model.

What the objects mean is for the families: `TopicalPageRank.model_file` and `DocSim.vectors`.
"""

from __future__ import annotations

import gzip
import io
import os
import pickle
import re
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from models.errors import ArtifactError, NoRoom, shorten
from models.memory_bound import TooMuchMemory, memory_bound
from models.records import ArrayRecord, DtypeRecord, Inert, UnreadableValueError

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import BufferedReader
    from pathlib import Path

    import numpy as np

GZIP_MAGIC = b"\x1f\x8b"
MIB = 1024**2
MAX_PICKLE_BYTES = 4 * 1024**3
"""Limit of a pickle's size once decompressed."""
MAX_GZIP_RATIO, FREE_GZIP_BYTES = 500, 64 * MIB
"""How many times larger than its file a pickle may be, and what does not count for that. The arrays
of a model with a thousand topics, nearly all of whose numbers are equal, shrink to a 250th."""
FREE_BYTES = 128 * MIB
OBJECTS_TIMES, OBJECTS_GZIP_RATIO, ARRAYS_TIMES = 32, 8, 3
"""Reading a pickle may take FREE_BYTES; 32 times its size for objects, of which words in a dict
take up to 20, where what a gzip file holds counts for at most 8 times the file; and 3 times its
size once more for arrays, which old protocols write as text."""
CHUNK_BYTES = MIB
MAX_NAME_CHARS = 200

_GENSIM_CLASS = re.compile(r"[A-Z]\w*", re.ASCII)


class _StandIn:
    """A function a pickle may call, closed to the other things a pickle can do to an object."""

    __slots__ = ("_function",)
    _function: Callable[..., object]

    def __init__(self, function: Callable[..., object]) -> None:
        object.__setattr__(self, "_function", function)

    def __call__(self, *arguments: object) -> object:
        return self._function(*arguments)

    def __setstate__(self, state: object) -> None:
        raise UnreadableValueError("a pickle that would change a function")

    def __setattr__(self, name: str, value: object) -> None:
        raise UnreadableValueError("a pickle that would change a function")


def _reconstruct(*_: object) -> ArrayRecord:
    return ArrayRecord()


def _from_buffer(raw: object, dtype: object, shape: object, order: object) -> ArrayRecord:
    array = ArrayRecord()
    array.__setstate__((1, shape, dtype, order == "F", raw))
    return array


def _scalar(dtype: object, raw: object = b"") -> object:
    array = ArrayRecord()
    array.__setstate__((1, (1,), dtype, False, raw))
    if isinstance(dtype, DtypeRecord) and dtype.is_object:
        raise UnreadableValueError("a scalar of the dtype object")
    return array.to_array()[0].item()


def _encode(text: object, encoding: object = "latin1") -> bytes:
    # How pickles before protocol 3 write bytes.
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise UnreadableValueError("bytes in an unknown encoding")
    return text.encode("latin1")


def _empty_bytes(*arguments: object) -> bytes:
    if arguments:
        raise UnreadableValueError("bytes made from something else")
    return b""


def _dtype(*arguments: object) -> DtypeRecord:
    return DtypeRecord(*arguments)


def _plain_dict(*_: object) -> dict[Any, Any]:
    return {}


_FUNCTIONS: dict[tuple[str, str], Callable[..., object]] = {
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _empty_bytes,
    ("builtins", "bytes"): _empty_bytes,
    ("collections", "OrderedDict"): _plain_dict,
    ("collections", "defaultdict"): _plain_dict,
    ("numpy", "dtype"): _dtype,
    **{
        (f"numpy.{core}.{module}", name): function
        for core in ("core", "_core")
        for module, name, function in (
            ("multiarray", "_reconstruct", _reconstruct),
            ("multiarray", "scalar", _scalar),
            ("numeric", "_frombuffer", _from_buffer),
        )
    },
}
# Pickles of whole gensim models name these; they are not needed here.
_IGNORED = {
    ("numpy", "ndarray"),
    ("builtins", "hash"),
    ("builtins", "int"),
    ("__builtin__", "hash"),
    ("__builtin__", "int"),
    ("__builtin__", "long"),
    ("gensim.utils", "call_on_class_only"),
    ("numpy.random._pickle", "__randomstate_ctor"),
    ("numpy.random._pickle", "__bit_generator_ctor"),
    ("numpy.random._mt19937", "MT19937"),
}


class _DataUnpickler(pickle.Unpickler):
    """Resolves the names above; UnreadableValueError for any other."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, encoding="latin1")
        self._classes: dict[tuple[str, str], type[Inert]] = {}

    def find_class(self, module: str, name: str, /) -> object:
        if len(module) + len(name) > MAX_NAME_CHARS:
            raise UnreadableValueError(f"the pickle names {shorten(module)}: refused")
        if function := _FUNCTIONS.get((module, name)):
            return _StandIn(function)
        is_gensim_class = module.startswith("gensim.models.") and _GENSIM_CLASS.fullmatch(name)
        if is_gensim_class or (module, name) in _IGNORED:
            return self._inert_class(module, name)
        raise UnreadableValueError(f"the pickle names {shorten(f'{module}.{name}')}: refused")

    def _inert_class(self, module: str, name: str) -> type[Inert]:
        """A class of this reading's own: nothing a pickle does to it outlives the reading."""
        found = self._classes.get((module, name))
        if found is None:
            found = type("Inert", (Inert,), {"qualified_name": f"{module}.{name}"})
            self._classes[module, name] = found
        return found


class _InChunks(io.RawIOBase):
    """A binary file of which little is read at a time: reading all at once would hold it twice."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        chunk = self._source.read(min(len(buffer), CHUNK_BYTES))
        buffer[: len(chunk)] = chunk
        return len(chunk)


def read_pickle(path: Path, *, max_bytes: int = MAX_PICKLE_BYTES) -> Any:
    """The value in the pickle `path`, gzipped or not, made of plain data, Inert and ArrayRecord.

    Runs nothing of the pickle's. Raises ArtifactError with file and reason, and NoRoom.
    """
    try:
        with path.open("rb") as file:
            return _read(file, max_bytes)
    except UnreadableValueError as error:
        raise ArtifactError(path, str(error)) from error
    except TooMuchMemory as error:
        raise ArtifactError(
            path, "takes far more memory to read than its size accounts for"
        ) from error
    except MemoryError as error:
        raise NoRoom(f"There is not enough memory to read {path.name}") from error
    except FileNotFoundError as error:
        raise ArtifactError(path, "is missing") from error
    except OSError as error:
        # Without the path, which str(error) may have.
        raise ArtifactError(path, f"cannot be read: {error.strerror or error}") from error
    except Exception as error:  # a hostile pickle can raise nearly anything
        reason = f"{type(error).__name__}: {shorten(str(error))}"
        raise ArtifactError(path, f"cannot be read as a pickle ({reason})") from error


def _read(file: BufferedReader, max_bytes: int) -> Any:
    file_bytes = os.fstat(file.fileno()).st_size
    is_gzip = file.peek(2)[:2] == GZIP_MAGIC
    source = cast("BinaryIO", gzip.GzipFile(fileobj=file) if is_gzip else file)
    size_bytes = _unpacked_bytes(source, file_bytes) if is_gzip else file_bytes
    if size_bytes > max_bytes:
        raise UnreadableValueError(f"holds more than {max_bytes} bytes")
    with memory_bound(_allowed_bytes(file_bytes, size_bytes)):
        return _DataUnpickler(io.BufferedReader(_InChunks(source))).load()


def _unpacked_bytes(source: BinaryIO, file_bytes: int) -> int:
    """The size of what a gzip file holds, all of which is sound; `source` is at its start again.

    Raises UnreadableValueError before more is unpacked than a file of that size may hold.
    """
    most = FREE_GZIP_BYTES + MAX_GZIP_RATIO * file_bytes
    size_bytes = 0
    while chunk := source.read(CHUNK_BYTES):
        size_bytes += len(chunk)
        if size_bytes > most:
            raise UnreadableValueError(f"holds more than {most} bytes in {file_bytes}")
    source.seek(0)
    return size_bytes


def _allowed_bytes(file_bytes: int, size_bytes: int) -> int:
    """How much memory reading a pickle may take."""
    objects_bytes = min(size_bytes, OBJECTS_GZIP_RATIO * file_bytes)
    return FREE_BYTES + OBJECTS_TIMES * objects_bytes + ARRAYS_TIMES * size_bytes


def to_array(value: object, path: Path, what: str) -> np.ndarray[Any, Any]:
    """`value` of a pickle in `path` as an array; ArtifactError that says `what` it should be."""
    try:
        if isinstance(value, ArrayRecord):
            return value.to_array()
    except ValueError as error:
        raise ArtifactError(path, f"{what}: {error}") from error
    raise ArtifactError(path, f"{what} is no array but {_name(value)}")


def _name(value: object) -> str:
    return value.qualified_name if isinstance(value, Inert) else type(value).__name__
