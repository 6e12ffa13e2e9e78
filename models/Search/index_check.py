"""Checking the content of an index: numbers must be in range, in order, and finite.

Reads all of it, a part at a time. `index_file` has checked the arrays' kinds and sizes before.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Any

import numpy as np

from models.errors import ArtifactError
from models.mapped.vocabulary import has_too_many_alike

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[Any]]

AT_ONCE = 1 << 20
"""How many numbers are checked at a time."""
LARGEST_WEIGHT = 1e6
LARGEST_NUMBER = 2
"""The largest number in a vector: vectors that were learnt have at most length 1."""


def check_content(path: Path, arrays: Arrays) -> None:
    """Raise ArtifactError, with the first fault, if there is one."""
    for fault in _faults(arrays):
        raise ArtifactError(path, fault)


def _faults(arrays: Arrays) -> Iterator[str]:
    for name, target in (("ends", "letters"), ("starts", "documents"), ("cell_ends", "cells")):
        offsets, total = arrays[name], len(arrays[target])
        if not is_rising(offsets) or not len(offsets) or offsets[0] < 0 or offsets[-1] != total:
            yield f"{name} does not rise to {total}, the size of {target}"
    if arrays["starts"][0] != 0 or arrays["cell_ends"][0] != 0:
        yield "starts and cell_ends do not begin at 0"
    rows, n_documents = arrays["rows"], len(arrays["cell_ends"]) - 1
    if not _is_vocabulary(arrays["hashes"], rows):
        yield "hashes and rows are no vocabulary"
    if not is_rising(arrays["frequent_terms"]):
        yield "frequent_terms does not rise"
    for name, most in (
        ("documents", n_documents - 1),
        ("frequent_terms", len(rows) - 1),
        ("weights", LARGEST_WEIGHT),
        ("word_vectors", LARGEST_NUMBER),
        ("document_vectors", LARGEST_NUMBER),
    ):
        least = -most if name.endswith("vectors") else 0
        if not is_within(arrays[name], least, most):
            yield f"{name} holds numbers outside {least:g} to {most:g}"
    for name in ("letters", "cells"):
        if not _is_utf8(arrays[name]):
            yield f"{name} is not UTF-8"


def _is_vocabulary(hashes: NDArray[Any], rows: NDArray[Any]) -> bool:
    if not is_rising(hashes) or has_too_many_alike(hashes):
        return False
    return np.array_equal(np.sort(rows), np.arange(len(rows)))


def is_rising(values: NDArray[Any]) -> bool:
    """Whether no number is below the one before it."""
    parts = (values[start : start + AT_ONCE + 1] for start in range(0, len(values), AT_ONCE))
    return all(bool((part[:-1] <= part[1:]).all()) for part in parts)


def is_within(values: NDArray[Any], least: float, most: float) -> bool:
    """Whether all numbers are from `least` to `most`, and none is NaN."""
    # Written so that NaN is outside.
    flat = values.reshape(-1)
    parts = (flat[start : start + AT_ONCE] for start in range(0, len(flat), AT_ONCE))
    return all(bool(part.min() >= least and part.max() <= most) for part in parts)


def _is_utf8(letters: NDArray[np.uint8]) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(letters), AT_ONCE):
            decoder.decode(letters[start : start + AT_ONCE].tobytes())
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
