"""One tensor: its bytes, or its JSON, to an array and back. All datatypes.

Bytes are little-endian without padding, row-major; an element of BYTES is its length in four bytes,
then itself. In JSON an element of BYTES is a string; BF16 has no form in JSON. Every size is
compared with what is there before memory is taken for it. Errors are BadInput.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from models.errors import BadInput, shorten
from models.tensors import BYTES, NUMPY_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Array = NDArray[Any]

LENGTH = struct.Struct("<I")
MOST_AXES = 32
MOST_ELEMENTS = 2**40
BF16 = "BF16"
IN_JSON: Mapping[str, set[type]] = {"b": {bool}, "u": {int}, "i": {int}, "f": {int, float}}
"""Kind of an array's type -> types of Python's that its elements have in JSON."""
WORDS = {"b": "booleans", "u": "whole numbers", "i": "whole numbers", "f": "numbers"}


def count_of(name: str, shape: Sequence[int]) -> int:
    """How many elements a tensor of this shape has."""
    if len(shape) > MOST_AXES or math.prod(max(size, 1) for size in shape) > MOST_ELEMENTS:
        raise BadInput(f"{name} has a shape that no tensor has: {shorten(list(shape))}")
    return math.prod(shape)


def from_bytes(name: str, datatype: str, shape: Sequence[int], data: memoryview) -> Array:
    """An array over `data`, which it shares where it can."""
    count = count_of(name, shape)
    if datatype == BYTES:
        return _objects(_elements(name, count, data), shape)
    kind = NUMPY_TYPES[datatype]
    if len(data) != count * kind.itemsize:
        raise BadInput(
            f"{name} of shape {list(shape)} and datatype {datatype} takes {count * kind.itemsize}"
            f" bytes; {len(data)} are there"
        )
    if kind.kind == "b":  # any byte but 0 is true
        array: Array = np.frombuffer(data, np.uint8) != 0
    else:
        array = np.require(np.frombuffer(data, kind), requirements="A")
    return array.reshape(shape)


def from_json(name: str, datatype: str, shape: Sequence[int], data: object) -> Array:
    """An array of a list, which may be nested as the shape is."""
    count = count_of(name, shape)
    flat = _flat(name, shape, data)
    if len(flat) != count:
        raise BadInput(f"{name} of shape {list(shape)} has {count} elements, not {len(flat)}")
    if datatype == BYTES:
        return _objects([_utf8(name, each) for each in flat], shape)
    if datatype == BF16:
        raise BadInput(f"{name} is BF16, which has no form in JSON: send it as bytes")
    kind = NUMPY_TYPES[datatype]
    if odd := set(map(type, flat)) - IN_JSON[kind.kind]:
        found = next(each for each in flat if type(each) in odd)
        raise BadInput(f"{name} is {datatype}: its data are {WORDS[kind.kind]}, not"
                       f" {shorten(found, 60)}")  # fmt: skip
    try:
        with np.errstate(over="ignore"):
            array = np.array(flat, np.float64 if kind.kind == "f" else kind).astype(kind)
    except (OverflowError, ValueError) as error:
        raise _too_large(name, datatype) from error
    if kind.kind == "f" and not np.isfinite(array).all():
        raise _too_large(name, datatype)
    return array.reshape(shape)


def to_bytes(datatype: str, array: Array) -> bytes:
    """What `from_bytes` reads."""
    if datatype == BYTES:
        return b"".join(LENGTH.pack(len(each)) + each for each in array.ravel().tolist())
    return np.ascontiguousarray(array, NUMPY_TYPES[datatype]).tobytes()


def to_json(name: str, datatype: str, array: Array) -> list[Any]:
    """What `from_json` reads, as a flat list; a float is the shortest decimal that is the same."""
    flat = array.ravel()
    if datatype == BF16:
        raise _only_bytes(name, "is BF16")
    if datatype == BYTES:
        try:
            return [each.decode() for each in flat.tolist()]
        except UnicodeDecodeError as error:
            raise _only_bytes(name, "holds bytes that are no UTF-8") from error
    kind = NUMPY_TYPES[datatype]
    if kind.kind != "f":
        return flat.astype(kind).tolist()
    if not np.isfinite(flat).all():
        raise _only_bytes(name, "holds a number that is not finite")
    is_exact = kind.itemsize == np.dtype(np.float64).itemsize
    return flat.tolist() if is_exact else [float(str(each)) for each in flat.astype(kind)]


def _elements(name: str, count: int, data: memoryview) -> list[bytes]:
    if len(data) < count * LENGTH.size:
        raise BadInput(f"{name} has {count} elements, for which {len(data)} bytes are too few")
    found: list[bytes] = []
    place, end = 0, len(data)
    while place + LENGTH.size <= end and len(found) < count:
        (size,) = LENGTH.unpack_from(data, place)
        place += LENGTH.size
        if size > end - place:
            raise BadInput(f"Element {len(found)} of {name} is said to have {size} bytes;"
                           f" {end - place} are left")  # fmt: skip
        found.append(bytes(data[place : place + size]))
        place += size
    if len(found) != count or place != end:
        raise BadInput(f"{name} has {count} elements, whose bytes end at {place} of {end}")
    return found


def _flat(name: str, shape: Sequence[int], data: object) -> list[Any]:
    if not isinstance(data, list):
        raise BadInput(f"The data of {name} must be a list, not {shorten(data, 60)}")
    if not data or not isinstance(data[0], list):
        return data
    level: list[Any] = [data]
    for size in shape:
        for each in level:
            if not isinstance(each, list) or len(each) != size:
                raise BadInput(f"The data of {name} are not nested as its shape is, {list(shape)}")
        level = [inner for each in level for inner in each]
    return level


def _objects(elements: list[bytes], shape: Sequence[int]) -> Array:
    array = np.empty(len(elements), object)
    array[:] = elements
    return array.reshape(shape)


def _utf8(name: str, text: object) -> bytes:
    if not isinstance(text, str):
        raise BadInput(f"{name} is BYTES: its data are strings, not {shorten(text, 60)}")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise BadInput(f"{name} holds half a surrogate pair: {shorten(text, 60)}") from error


def _too_large(name: str, datatype: str) -> BadInput:
    return BadInput(f"{name} holds a number that is none of {datatype}")


def _only_bytes(name: str, why: str) -> BadInput:
    return BadInput(f"The output {name} {why}, which has no form in JSON: ask for its binary data")
