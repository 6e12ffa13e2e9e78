"""Frames of an AWS event stream, as InvokeEndpointWithResponseStream answers with.

A frame is its length, its headers' length, a checksum of both; the headers; the payload; a checksum
of all before. All numbers are big-endian. Pure: from what is to be said to bytes.
"""

from __future__ import annotations

import json
import struct
from enum import StrEnum
from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CONTENT_TYPE = "application/vnd.amazon.eventstream"
MOST_BYTES = 64 * 1024
"""Of a model's answer in one frame."""
CHECKSUM = struct.Struct("!I")
LENGTHS = struct.Struct("!II")
TEXT = 7
"""The kind of a header that is a string."""


class ErrorCode(StrEnum):
    """Why a model's stream ends before its end."""

    TIMED_OUT = "ModelInvocationTimeExceeded"
    BROKEN = "StreamBroken"


def part_frames(body: bytes) -> Iterator[bytes]:
    """The frames that carry a piece of a model's answer, however long it is."""
    for place in range(0, len(body), MOST_BYTES):
        yield _framed(PART_HEADERS, body[place : place + MOST_BYTES])


def model_error(message: str, code: ErrorCode) -> bytes:
    """The frame that ends a stream whose model failed."""
    return _exception("ModelStreamError", {"Message": message, "ErrorCode": str(code)})


def internal_failure(message: str) -> bytes:
    """The frame that ends a stream which we failed to pass on."""
    return _exception("InternalStreamFailure", {"Message": message})


def _exception(kind: str, content: Mapping[str, str]) -> bytes:
    headers = _headers(
        {
            ":message-type": "exception",
            ":exception-type": kind,
            ":content-type": "application/json",
        }
    )
    return _framed(headers, json.dumps(content).encode())


def _framed(headers: bytes, payload: bytes) -> bytes:
    total = LENGTHS.size + CHECKSUM.size + len(headers) + len(payload) + CHECKSUM.size
    prelude = LENGTHS.pack(total, len(headers))
    frame = b"".join((prelude, CHECKSUM.pack(crc32(prelude)), headers, payload))
    return frame + CHECKSUM.pack(crc32(frame))


def _headers(values: Mapping[str, str]) -> bytes:
    packed = bytearray()
    for name, value in values.items():
        packed += bytes([len(name)]) + name.encode() + bytes([TEXT])
        packed += struct.pack("!H", len(value)) + value.encode()
    return bytes(packed)


PART_HEADERS = _headers(
    {
        ":message-type": "event",
        ":event-type": "PayloadPart",
        ":content-type": "application/octet-stream",
    }
)
