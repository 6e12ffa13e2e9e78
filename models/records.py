"""What a pickle describes, recorded without creating it: arrays, dtypes, instances of classes.

`pickles` puts these in the places of what a pickle names. An array is made only by `to_array`, once
all parts of its description fit together: a crafted dtype state could make NumPy itself follow
bytes as pointers, so NumPy never sees the states in a pickle.
"""

from __future__ import annotations

import math
import re
from typing import Any, Self

import numpy as np

from models.errors import shorten

MAX_DIMENSIONS = 2
MAX_SIZE = 2**48
"""Of a dimension: more than fits into memory, and few enough digits to multiply at once."""
_SIMPLE_DTYPE = re.compile(r"[<>|=]?(?:b1|[iu][1248]|f[248]|[US]\d{1,6}|O8?)", re.ASCII)


class UnreadableValueError(ValueError):
    """A value in a pickle that is not what it claims to be."""


class Inert:
    """An instance of a class that is never looked up: its name and its state, no behaviour."""

    qualified_name = ""
    state: dict[str, Any]

    def __new__(cls, *_: object, **__: object) -> Self:
        """Take any arguments. Not in __init__, which pickles need not call."""
        made = super().__new__(cls)
        made.state = {}
        return made

    def __setstate__(self, state: object) -> None:
        parts = state if isinstance(state, tuple) else (state,)  # (dict, slots) or just dict
        for part in parts:
            if isinstance(part, dict):
                self.state.update(part)


class DtypeRecord:
    """A NumPy dtype of plain numbers, strings or objects."""

    __slots__ = ("code", "order")

    def __init__(self, code: object, *_: object) -> None:
        if not isinstance(code, str) or not _SIMPLE_DTYPE.fullmatch(code):
            raise UnreadableValueError(f"dtype {shorten(code)} is not one of a plain array")
        self.code = code.lstrip("<>|=")
        self.order = code[0] if code[0] in "<>" else "="

    def __setstate__(self, state: object) -> None:
        # (version, byte order, subarray, field names, fields, ...): only the order is of use.
        if not isinstance(state, tuple) or any(part is not None for part in state[2:5]):
            raise UnreadableValueError("a structured dtype is not one of a plain array")
        if len(state) > 1 and state[1] in ("<", ">"):
            self.order = state[1]

    @property
    def is_object(self) -> bool:
        """Whether an array of it is a list of Python objects."""
        return self.code.startswith("O")

    def resolve(self) -> np.dtype[Any]:
        """The dtype itself; not for objects."""
        return np.dtype(self.order + self.code)


class ArrayRecord:
    """A NumPy array as its pickle describes it; `to_array` checks the description."""

    __slots__ = ("dtype", "is_fortran", "raw", "shape")

    def __init__(self, *_: object) -> None:
        self.__setstate__((1, (0,), DtypeRecord("f8"), False, b""))

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) not in (4, 5):
            raise UnreadableValueError("an array has an unknown kind of state")
        self.shape, self.dtype, self.is_fortran, self.raw = state[-4:]

    def to_array(self) -> np.ndarray[Any, Any]:
        """The array, read-only and without a copy; UnreadableValueError if it makes no sense."""
        shape, dtype, raw = self.shape, self.dtype, self.raw
        if not isinstance(dtype, DtypeRecord):
            raise UnreadableValueError("an array without a plain dtype")
        if (
            not isinstance(shape, tuple)
            or len(shape) > MAX_DIMENSIONS
            or not all(type(size) is int and 0 <= size <= MAX_SIZE for size in shape)
        ):
            raise UnreadableValueError(f"an array of the shape {shorten(shape)}")
        count = math.prod(shape)
        if dtype.is_object:
            if not isinstance(raw, list) or len(raw) != count or len(shape) != 1:
                raise UnreadableValueError("an array of objects that is not one list of them")
            values = np.empty(count, dtype=object)
            for position, item in enumerate(raw):
                values[position] = item
            return values
        resolved = dtype.resolve()
        if not isinstance(raw, (bytes, bytearray)) or len(raw) != count * resolved.itemsize:
            raise UnreadableValueError(
                f"an array of the shape {shorten(shape)} with too few or many bytes"
            )
        flat = np.frombuffer(raw, resolved) if count else np.empty(0, resolved)
        return flat.reshape(shape, order="F" if self.is_fortran else "C")


def all_finite(values: np.ndarray[Any, Any], *, rows: int = 4096) -> bool:
    """Whether all numbers are finite; looks at `rows` rows at a time to stay small."""
    return all(
        bool(np.isfinite(values[start : start + rows]).all())
        for start in range(0, len(values), rows)
    )
