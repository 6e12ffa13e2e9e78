"""Mapped files, changed anywhere: arrays within the file, or refused as a file that is damaged."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import strategies as st

from models.mapped.folder import MAGIC, Mapped, read, write
from models.mapped.npy import map_matrix
from tests.support.fuzzing import fuzz

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = pytest.mark.hostile("archives")

NUMBERS = np.arange(12, dtype=np.float32).reshape(3, 4)
ARRAYS: dict[str, NDArray[Any]] = {"a": NUMBERS, "b": np.arange(5, dtype=np.int64)}
FLIPS = st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(1, 255)), max_size=4)


def whole() -> tuple[bytes, bytes]:
    """A mapped file and a matrix of NumPy's."""
    with tempfile.TemporaryDirectory() as name:
        write(Path(name) / "a.mapped", Mapped(ARRAYS, {"fact": 1}))
        np.save(Path(name) / "a.npy", NUMBERS)
        return (Path(name) / "a.mapped").read_bytes(), (Path(name) / "a.npy").read_bytes()


MAPPED, MATRIX = whole()


def flipped(content: bytes, places: list[tuple[int, int]], cut: int) -> bytes:
    """`content` with bytes changed, and some fewer."""
    changed = bytearray(content)
    for place, mask in places:
        changed[place % len(changed)] ^= mask
    return bytes(changed[: len(changed) - cut])


def checked(content: bytes) -> None:
    """Read it; whatever comes back can be read to its end."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "a"
        path.write_bytes(content)
        try:
            found = read(path)
        except (OSError, ValueError, KeyError):
            return
        for array in found.arrays.values():
            assert array.dtype.kind in "uif"
            assert array.nbytes <= len(content)
            assert len(array.tobytes()) == array.nbytes


def test_a_changed_mapped_file_is_arrays_or_refused():
    def check(places: list[tuple[int, int]], cut: int) -> None:
        checked(flipped(MAPPED, places, cut))

    assert fuzz(check, FLIPS, st.integers(0, 200))


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
ENTRY = st.fixed_dictionaries(
    {
        "name": st.text(max_size=3) | ANY,
        "dtype": st.sampled_from(["<f4", ">i8", "|u1", "|O8", "f4,f4", "(2,)f4", "<f9", "=i3"])
        | ANY,
        "shape": st.lists(st.integers(-2, 40), max_size=4) | ANY,
        "offset": st.integers(-100, 200) | ANY,
    }
)
HEADER = st.fixed_dictionaries({"facts": ANY, "arrays": st.lists(ENTRY, max_size=3) | ANY}) | ANY


def test_a_drawn_header_is_arrays_or_refused():
    def check(header: object, content: bytes) -> None:
        text = json.dumps(header).encode()
        raw = MAGIC + len(text).to_bytes(8, "little") + text
        checked(raw + bytes(-len(raw) % 64) + content)

    assert fuzz(check, HEADER, st.binary(max_size=300))


def test_a_changed_matrix_is_a_matrix_or_refused():
    def check(places: list[tuple[int, int]], cut: int) -> None:
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "a.npy"
            path.write_bytes(flipped(MATRIX, places, cut))
            try:
                found = map_matrix(path)
            except (OSError, ValueError):
                return
            assert len(found.tobytes()) == found.nbytes

    assert fuzz(check, FLIPS, st.integers(0, 200))
