"""The last steps before the first fork: nothing for the collector to touch, no holes to fall into.

A fork that allocates into a hole of an old page must copy the whole page for it. So the holes of
Python's small-object allocator are filled beforehand; forks then begin fresh pages of their own.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile

BYTES_OVERHEAD = sys.getsizeof(b"")
SMALLEST, SMALL = 16, 32
FIELDS = 5
ROUNDS = 3

_plugs: list[object] = []


def settle() -> None:
    """Collect garbage, fill holes, and put everything out of the collector's sight."""
    gc.collect()
    for _ in range(ROUNDS):  # the filling itself leaves some
        for size, count in holes().items():
            _plugs.extend(_blocks(size, count))
    gc.freeze()
    gc.disable()


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
