"""The wire format of Protocol Buffers, as much as ONNX files need: messages written, fields read.

So that an ONNX graph can be written, and looked through before a native library reads it, without
the packages that have its schema. Which field means what is for who writes and who checks.
Source: Protocol Buffers documentation, "Encoding".
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
MOST_VARINT_BYTES = 10
MOST_KEY = 0xFFFFFFFF
"""Readers differ in what they make of a longer one: Google's drops what is above 32 bits."""

Value: TypeAlias = "int | float | str | bytes"


class NotProtobuf(ValueError):
    """Bytes that are no message."""


def message(*fields: tuple[int, Value]) -> bytes:
    """A message of fields in their order: ints as varints, floats of 32 bits, the rest as bytes."""
    return b"".join(_field(number, value) for number, value in fields)


def _field(number: int, value: Value) -> bytes:
    match value:
        case float():
            return _varint(number << 3 | FIXED32) + struct.pack("<f", value)
        case int():
            return _varint(number << 3 | VARINT) + _varint(value & (1 << 64) - 1)
        case str():
            value = value.encode()
    return b"".join((_varint(number << 3 | LENGTH), _varint(len(value)), value))


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits a byte
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The fields of a message: numbers, with varints as ints and all else as what it holds.

    Nothing is copied. Raises NotProtobuf.
    """
    place, end = 0, len(data)
    while place < end:
        key, place = _read_varint(data, place)
        if key > MOST_KEY:
            raise NotProtobuf("a field's number of more than 32 bits")
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, place = _read_varint(data, place)
            yield number, value
            continue
        if kind == LENGTH:
            size, place = _read_varint(data, place)
        elif kind in (FIXED32, FIXED64):
            size = 4 if kind == FIXED32 else 8
        else:
            raise NotProtobuf(f"a field of kind {kind}")
        if size > end - place:
            raise NotProtobuf(f"a field of {size} bytes where {end - place} are left")
        yield number, data[place : place + size]
        place += size


def _read_varint(data: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    for byte in data[place : place + MOST_VARINT_BYTES]:
        value |= (byte & 0x7F) << shift
        shift += 7
        place += 1
        if byte < 0x80:  # noqa: PLR2004 - the last one
            return value, place
    raise NotProtobuf("a number without end")
