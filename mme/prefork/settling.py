"""The last steps before the first fork: nothing for the collector to touch, no holes to fall into.

A fork that allocates into a hole of an old page must copy the whole page for it. So the holes of
Python's small-object allocator, and of C's below it, are filled beforehand; forks then begin fresh
pages of their own.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import tempfile
from typing import ClassVar

BYTES_OVERHEAD = sys.getsizeof(b"")
SMALLEST, SMALL = 16, 32
FIELDS = 5
ROUNDS = 3

HEAP_UNIT_BYTES = 16
COARSE_STEP = 0.75
FINE_BELOW_BYTES = 16 * 1024
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST_THRESHOLD_BYTES, USUAL_THRESHOLD_BYTES = 32 * 1024 * 1024, 128 * 1024

_plugs: list[object] = []


def settle() -> None:
    """Collect garbage, fill holes, and put everything out of the collector's sight."""
    gc.collect()
    for _ in range(ROUNDS):  # the filling itself leaves some
        for size, count in holes().items():
            _plugs.extend(_blocks(size, count))
    fill_heap()
    gc.freeze()
    gc.disable()


def fill_heap() -> int:
    """Take every free block of C's heap but the last, open one; returns how many bytes that were.

    They are never given back. Blocks are taken from large to small until one comes from the open
    end, which tells that no hole of that size is left. Elsewhere than in glibc nothing is done.
    """
    c = ctypes.CDLL(None)
    if not hasattr(c, "mallinfo2"):
        return 0
    c.mallinfo2.restype = _HeapFacts
    c.sbrk.restype = c.malloc.restype = ctypes.c_void_p
    c.sbrk.argtypes, c.malloc.argtypes = [ctypes.c_ssize_t], [ctypes.c_size_t]
    c.free.restype, c.free.argtypes = None, [ctypes.c_void_p]
    c.mallopt(M_MMAP_THRESHOLD, LARGEST_THRESHOLD_BYTES)
    c.mallopt(M_TRIM_THRESHOLD, LARGEST_THRESHOLD_BYTES)
    facts = c.mallinfo2()
    open_end = c.sbrk(0) - facts.keepcost
    filled = 0
    size = max(facts.fordblks - facts.keepcost, FINE_BELOW_BYTES)
    while size > HEAP_UNIT_BYTES:
        block = c.malloc(size - ctypes.sizeof(ctypes.c_size_t)) or 0
        if 0 < block < open_end:
            filled += size
            continue
        c.free(block)
        size = int(size * COARSE_STEP) if size > FINE_BELOW_BYTES else size - HEAP_UNIT_BYTES
    # Fixed, or else it would rise with use, and large arrays would leave holes behind.
    c.mallopt(M_MMAP_THRESHOLD, USUAL_THRESHOLD_BYTES)
    c.mallopt(M_TRIM_THRESHOLD, USUAL_THRESHOLD_BYTES)
    return filled


class _HeapFacts(ctypes.Structure):
    """`struct mallinfo2` of glibc."""

    _fields_: ClassVar = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd",
            "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    ]  # fmt: skip


def holes() -> dict[int, int]:
    """Free blocks in pages in use, by block size in bytes, as the allocator itself reports them."""
    with tempfile.TemporaryFile() as report:
        kept = os.dup(2)
        try:
            os.dup2(report.fileno(), 2)  # it writes to C's stderr, which is not sys.stderr
            sys._debugmallocstats()  # noqa: SLF001 - there is no public name
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        report.seek(0)
        lines = report.read().decode("ascii", "replace").splitlines()
    # class, size, pools, blocks in use, blocks available
    rows = [line.split() for line in lines]
    return {
        int(row[1]): int(row[4])
        for row in rows
        if len(row) == FIELDS and all(field.isdigit() for field in row)
    }


def _blocks(size: int, count: int) -> list[object]:
    """`count` objects that take one block of `size` bytes each."""
    if size == SMALLEST:
        return [object() for _ in range(count)]
    if size == SMALL:
        return [(1 << 40) + number for number in range(count)]
    return [bytes(size - BYTES_OVERHEAD) for _ in range(count)]
