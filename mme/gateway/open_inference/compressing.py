"""Answers in the coding a client accepts: gzip or deflate, for those that are worth it."""

from __future__ import annotations

import asyncio
import zlib

LEAST_BYTES = 1024
"""Less gains nothing."""
LEVEL = 1
SLICE_BYTES = 64 * 1024
"""So much is compressed before other requests have their turn."""
WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
"""Coding -> what zlib calls it; the first is the better one."""


def coding_in(accepted: str) -> str:
    """The coding that the header Accept-Encoding asks for; "": none that is known."""
    given = dict(_weighted(part) for part in accepted.lower().split(","))
    return next((coding for coding in WINDOWS if given.get(coding)), "")


async def compressed(body: bytes, coding: str) -> bytes:
    """The body in that coding."""
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, WINDOWS[coding])
    pieces = []
    for start in range(0, len(body), SLICE_BYTES):
        pieces.append(packer.compress(memoryview(body)[start : start + SLICE_BYTES]))
        await asyncio.sleep(0)
    return b"".join([*pieces, packer.flush()])


def _weighted(part: str) -> tuple[str, bool]:
    """A coding, and whether it is wanted at all."""
    name, _, weight = part.replace(" ", "").partition(";q=")
    return name, weight.strip("0.") != "" or not weight
