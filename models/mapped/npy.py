"""Matrices in `.npy` files, mapped where they are.

NumPy's own reader evaluates the header as Python and makes a memmap, which costs a worker half a
megabyte of pages it would otherwise share; this one reads the header NumPy writes, and no other.
"""

from __future__ import annotations

import mmap
import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MAGIC = b"\x93NUMPY"
LENGTH_BYTES = {b"\x01\x00": 2, b"\x02\x00": 4, b"\x03\x00": 4}
"""Version of the format -> how many bytes say how long the header is."""
MAX_HEADER_BYTES = 65_536
FLOAT32 = "<f4"
_HEADER = re.compile(
    rb"\{'descr': '([^']*)', 'fortran_order': (True|False), 'shape': \(([\d, ]*)\), \} *\n"
)


def map_matrix(path: Path) -> NDArray[np.float32]:
    """The float32 matrix in a `.npy` file, read-only and mapped.

    Raises OSError, and ValueError where the file holds anything else or less than it says.
    """
    with path.open("rb") as file:
        begin = file.read(len(MAGIC) + 2)
        size_bytes = LENGTH_BYTES.get(begin[len(MAGIC) :], 0)
        length = int.from_bytes(file.read(size_bytes), "little")
        found = _HEADER.fullmatch(file.read(min(length, MAX_HEADER_BYTES)))
        if not begin.startswith(MAGIC) or not size_bytes or found is None:
            raise ValueError("is no NumPy array")
        descr, is_fortran, shape = (part.decode() for part in found.groups())
        sizes = [int(size) for size in shape.split(",") if size.strip()]
        if descr != FLOAT32 or len(sizes) != 2:  # noqa: PLR2004
            raise ValueError(f"must be a matrix of float32, not {descr} of shape ({shape})")
        if is_fortran == "True":
            raise ValueError("must be in C order")
        offset = file.tell()
        file_bytes = file.seek(0, 2)
        if file_bytes < offset + 4 * sizes[0] * sizes[1]:
            raise ValueError(f"has {file_bytes} bytes, too few for {sizes[0]} x {sizes[1]} numbers")
        memory = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    return np.ndarray(sizes, FLOAT32, memory, offset)
