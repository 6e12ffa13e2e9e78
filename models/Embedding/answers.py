"""Vectors as the bodies of answers: JSON, CSV, or an array as NumPy saves it.

Numbers in text are the shortest of nine digits that are the same float32 when they are read.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from models.bodies import to_json
from models.errors import AnswerTooLarge

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

NPY = "application/x-npy"
CHARS_A_NUMBER = 14
MAX_ANSWER_BYTES = 256 * 1024 * 1024


def check_numbers(texts: int, dimensions: int) -> None:
    """Raise AnswerTooLarge for more numbers than an answer may have."""
    size_bytes = texts * dimensions * CHARS_A_NUMBER
    if size_bytes > MAX_ANSWER_BYTES:
        raise AnswerTooLarge(size_bytes, MAX_ANSWER_BYTES)


def as_json(
    vectors: Floats, numbers: Sequence[int], count: int, others: Mapping[str, object]
) -> str:
    """`{"embeddings": [...]}` for `count` texts, with `others` behind it.

    `numbers` says which of the texts, from 0, each vector is of; the others have null.
    """
    rows = dict(zip(numbers, _lines(vectors, ", "), strict=True))
    lists = (f"[{rows[number]}]" if number in rows else "null" for number in range(count))
    end = f", {to_json(others)[1:]}" if others else "}"
    return f'{{"embeddings": [{", ".join(lists)}]{end}'


def as_csv(vectors: Floats) -> str:
    """A line of numbers for each text."""
    return "".join(f"{line}\n" for line in _lines(vectors, ","))


def as_npy(vectors: Floats) -> bytes:
    """The array of shape (texts, dimensions)."""
    out = io.BytesIO()
    np.save(out, np.ascontiguousarray(vectors, np.dtype("<f4")), allow_pickle=False)
    return out.getvalue()


def _lines(vectors: Floats, separator: str) -> list[str]:
    form = separator.join(["%.9g"] * vectors.shape[1])
    return [form % tuple(row) for row in vectors.tolist()]
