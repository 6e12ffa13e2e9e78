"""The checksum of TFRecord: CRC-32C, masked as TensorFlow does.

Short data goes through a table byte by byte. Long data is cut into pieces of one length, whose
checksums are made side by side by numpy, and put together: a checksum is linear, so what stands
before a piece counts as it would before as many zeros.
"""

from __future__ import annotations

from functools import lru_cache, reduce

POLYNOMIAL = 0x82F63B78
MASK_DELTA = 0xA282EAD8
BITS = 0xFFFFFFFF
PIECES = 1024
LONG_BYTES = 16 * PIECES


def _table() -> tuple[int, ...]:
    entries = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (POLYNOMIAL if value & 1 else 0)
        entries.append(value)
    return tuple(entries)


TABLE = _table()


def crc32c(data: bytes) -> int:
    """The CRC-32C (Castagnoli) of `data`."""
    value, rest = BITS, data
    if len(data) >= LONG_BYTES:
        length = len(data) // PIECES
        zeros = _zeros(length)
        for piece in _side_by_side(data, length):
            value = _applied(zeros, value) ^ piece
        rest = data[length * PIECES :]
    for byte in rest:
        value = TABLE[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ BITS


def masked_crc32c(data: bytes) -> int:
    """The CRC-32C as TFRecord has it, so that a checksum of checksums is no trap."""
    value = crc32c(data)
    return ((value >> 15 | value << 17) + MASK_DELTA) & BITS


def _side_by_side(data: bytes, length: int) -> list[int]:
    """What each of the pieces of `length` bytes makes of nothing before it."""
    import numpy as np  # noqa: PLC0415 - few need it, and it takes memory

    table = np.array(TABLE, np.uint32)
    columns = np.frombuffer(data, np.uint8, length * PIECES).reshape(PIECES, length).T
    values = np.zeros(PIECES, np.uint32)
    for column in np.ascontiguousarray(columns):
        values = table[(values ^ column) & 0xFF] ^ (values >> 8)
    found: list[int] = values.tolist()
    return found


@lru_cache(maxsize=64)
def _zeros(count: int) -> tuple[int, ...]:
    """What `count` zero bytes make of each bit of a value."""
    if count == 0:
        return tuple(1 << bit for bit in range(32))
    if count == 1:
        return tuple(TABLE[(1 << bit) & 0xFF] ^ (1 << bit) >> 8 for bit in range(32))
    half = _zeros(count // 2)
    whole = tuple(_applied(half, value) for value in half)
    return tuple(_applied(_zeros(1), value) for value in whole) if count % 2 else whole


def _applied(columns: tuple[int, ...], value: int) -> int:
    bits = (columns[bit] for bit in range(32) if value >> bit & 1)
    return reduce(int.__xor__, bits, 0)
