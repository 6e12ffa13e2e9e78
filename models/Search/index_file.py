"""The file `Search-model`: an index as arrays that are mapped as they lie in the artifact.

The layout is that of `models.mapped.folder`. Whatever the file claims is checked before it is used:
sizes and kinds of arrays at every load, their content, which takes reading all of it, at the first;
that it passed is noted in the scratch folder. A wrong number that slips in later can lead to wrong
answers and errors, never outside the arrays: NumPy and slices check what they are asked for.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from models.errors import ArtifactError, shorten
from models.mapped.folder import MAGIC, Mapped, mapped, read, write
from models.mapped.vocabulary import MappedVocabulary, vocabulary_arrays
from models.records import all_finite
from models.Search.corpus import MAX_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

FORM = "Search.v1"
MAX_HEADER_BYTES = 1024 * 1024
AT_ONCE = 1 << 20
"""How many numbers are looked at together."""
LARGEST_WEIGHT = 1e6

_ARRAYS = {
    "hashes": ("u8", 1),
    "rows": ("i4", 1),
    "ends": ("i8", 1),
    "letters": ("u1", 1),
    "starts": ("i8", 1),
    "documents": ("i4", 1),
    "impacts": ("u1", 1),
    "weights": ("f4", 1),
    "frequent_terms": ("i4", 1),
    "frequent_impacts": ("u1", 2),
    "word_vectors": ("f2", 2),
    "document_vectors": ("f2", 2),
    "cell_ends": ("i8", 1),
    "cells": ("u1", 1),
}
"""Name -> dtype and rank."""


@dataclass(frozen=True, slots=True)
class Index:
    """The documents and where each term is; the arrays of `postings.Postings` and more.

    *Shapes*: word_vectors (words, n), document_vectors (documents, n), cell_ends (documents + 1,),
    cells (bytes,). The first terms are the words.
    """

    columns: tuple[str, ...]
    id_column: int
    terms: Mapping[str, int]
    impact_unit: float
    """A term's weight divided by this is its rarity."""
    starts: NDArray[np.int64]
    documents: NDArray[np.int32]
    impacts: NDArray[np.uint8]
    weights: NDArray[np.float32]
    frequent_terms: NDArray[np.int32]
    frequent_impacts: NDArray[np.uint8]
    word_vectors: NDArray[np.float16]
    document_vectors: NDArray[np.float16]
    cell_ends: NDArray[np.int64]
    """Document d's cells, a list in JSON, are the bytes from cell_ends[d] to cell_ends[d + 1]."""
    cells: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.cell_ends) - 1


def write_index(path: Path, index: Index) -> None:
    """Write an index; the same values give the same bytes."""
    arrays: dict[str, NDArray[Any]] = vocabulary_arrays(index.terms)
    arrays |= {name: getattr(index, name) for name in _ARRAYS if name not in arrays}
    facts = {
        "form": FORM,
        "columns": index.columns,
        "id_column": index.id_column,
        "impact_unit": index.impact_unit,
    }
    write(path, Mapped(arrays, facts))


def map_index(path: Path, scratch: Path | None) -> Index:
    """The index at `path`, mapped. Raises ArtifactError."""
    content = _read(path)
    index = _shaped(content, path)

    def check() -> Mapped:
        _check_content(index, content.arrays, path)
        return Mapped({"checked": np.zeros(0, np.uint8)}, {})

    mapped(scratch, [path], FORM, check)
    return index


def _read(path: Path) -> Mapped:
    try:
        with path.open("rb") as file:
            head = file.read(len(MAGIC) + 8)
        if head[: len(MAGIC)] != MAGIC:
            raise ArtifactError(path, "is no index of this family")
        if int.from_bytes(head[len(MAGIC) :], "little") > MAX_HEADER_BYTES:
            raise ArtifactError(path, f"has a header of more than {MAX_HEADER_BYTES} bytes")
        return read(path)
    except FileNotFoundError as error:
        raise ArtifactError(path, "is missing") from error
    except OSError as error:
        raise ArtifactError(path, f"cannot be read: {error.strerror}") from error
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ArtifactError(path, f"is damaged: {shorten(str(error), 100)}") from error


def _shaped(content: Mapped, path: Path) -> Index:
    """The index, if its parts are of the right kind and size."""
    arrays, facts = content.arrays, content.facts
    if not isinstance(facts, dict) or facts.get("form") != FORM:
        raise ArtifactError(path, f"is no index in the form {FORM}")
    if arrays.keys() != _ARRAYS.keys():
        raise ArtifactError(path, f"must hold the arrays {', '.join(_ARRAYS)}")
    for name, (kind, rank) in _ARRAYS.items():
        if arrays[name].dtype != np.dtype(f"<{kind}") or arrays[name].ndim != rank:
            raise ArtifactError(
                path,
                f"{name} has dtype {arrays[name].dtype} and {arrays[name].ndim} dimensions,"
                f" instead of {kind} and {rank}",
            )
    size = {name: len(array) for name, array in arrays.items()}
    (words, n), n_documents = arrays["word_vectors"].shape, size["cell_ends"] - 1
    fits = {
        "hashes": size["rows"] == size["hashes"] == size["ends"],
        "starts": size["starts"] == size["rows"] + 1,
        "weights": size["weights"] == size["rows"],
        "impacts": size["impacts"] == size["documents"],
        "word_vectors": words <= size["rows"],
        "document_vectors": arrays["document_vectors"].shape == (n_documents, n),
        "frequent_impacts": arrays["frequent_impacts"].shape
        == (size["frequent_terms"], n_documents),
        "cell_ends": n_documents > 0,
    }
    if wrong := [name for name, does_fit in fits.items() if not does_fit]:
        raise ArtifactError(path, f"{wrong[0]} does not fit the sizes of the other arrays")
    return Index(
        **_facts(facts, path),
        terms=MappedVocabulary(arrays),
        **{name: arrays[name] for name in _ARRAYS if name in Index.__slots__},
    )


def _facts(facts: Mapping[str, Any], path: Path) -> dict[str, Any]:
    columns, id_column = facts.get("columns"), facts.get("id_column")
    if (
        not isinstance(columns, list)
        or not all(isinstance(name, str) for name in columns)
        or not len(set(columns)) == len(columns) <= MAX_COLUMNS
    ):
        raise ArtifactError(path, f"columns are {shorten(columns)}: no list of different names")
    if type(id_column) is not int or not 0 <= id_column < len(columns):
        raise ArtifactError(path, f"id_column is {shorten(id_column)}: no place of a column")
    unit = facts.get("impact_unit")
    if not isinstance(unit, float) or not 0 < unit <= 1:
        raise ArtifactError(path, f"impact_unit is {shorten(unit)}: it must be above 0, at most 1")
    return {"columns": tuple(columns), "id_column": id_column, "impact_unit": unit}


def _check_content(index: Index, arrays: Mapping[str, NDArray[Any]], path: Path) -> None:
    """Read everything and look whether it can be what it should be."""
    hashes, rows = arrays["hashes"], arrays["rows"]
    for name, total in (
        ("ends", len(arrays["letters"])),
        ("starts", len(index.documents)),
        ("cell_ends", len(index.cells)),
    ):
        ends = arrays[name]
        first = 0 if name != "ends" or not len(ends) else ends[0]
        if not _is_rising(ends) or (len(ends) and (ends[-1] != total or not 0 <= first <= total)):
            raise ArtifactError(path, f"{name} does not rise to {total}")
        if name != "ends" and ends[0] != 0:
            raise ArtifactError(path, f"{name} does not begin at 0")
    if not _is_rising(hashes) or not np.array_equal(np.sort(rows), np.arange(len(rows))):
        raise ArtifactError(path, "hashes and rows are no vocabulary")
    if not _is_within(index.documents, 0, len(index) - 1):
        raise ArtifactError(path, f"documents holds numbers outside 0 to {len(index) - 1}")
    if not _is_rising(index.frequent_terms) or not _is_within(
        index.frequent_terms, 0, len(rows) - 1
    ):
        raise ArtifactError(path, "frequent_terms are no rising numbers of terms")
    if not _is_within(index.weights, 0, LARGEST_WEIGHT):
        raise ArtifactError(path, f"weights holds numbers outside 0 to {LARGEST_WEIGHT:g}")
    for name in ("word_vectors", "document_vectors"):
        if not all_finite(arrays[name]):
            raise ArtifactError(path, f"{name} holds numbers that are not finite")
    for name in ("letters", "cells"):
        if not _is_utf8(arrays[name]):
            raise ArtifactError(path, f"{name} is not UTF-8")


def _is_rising(values: NDArray[Any]) -> bool:
    parts = (values[start : start + AT_ONCE + 1] for start in range(0, len(values), AT_ONCE))
    return all(bool((part[:-1] <= part[1:]).all()) for part in parts)


def _is_within(values: NDArray[Any], least: float, most: float) -> bool:
    # Written so that NaN is outside.
    parts = (values[start : start + AT_ONCE] for start in range(0, len(values), AT_ONCE))
    return all(bool(((part >= least) & (part <= most)).all()) for part in parts)


def _is_utf8(letters: NDArray[np.uint8]) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(letters), AT_ONCE):
            decoder.decode(letters[start : start + AT_ONCE].tobytes())
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
