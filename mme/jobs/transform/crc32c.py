"""The checksum of TFRecord: CRC-32C, masked as TensorFlow does."""

from __future__ import annotations

POLYNOMIAL = 0x82F63B78
MASK_DELTA = 0xA282EAD8
BITS = 0xFFFFFFFF


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
    table, value = TABLE, BITS
    for byte in data:
        value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ BITS


def masked_crc32c(data: bytes) -> int:
    """The CRC-32C as TFRecord has it, so that a checksum of checksums is no trap."""
    value = crc32c(data)
    return ((value >> 15 | value << 17) + MASK_DELTA) & BITS
