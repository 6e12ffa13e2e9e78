"""The file `Search-model`: an index as arrays that are mapped as they lie in the artifact.

The layout is that of `models.mapped.folder`. Nothing the file says is used unchecked. Sizes and
kinds of the arrays are checked at every load. Their content is checked at the first load only,
since that reads all of it; a file in the scratch folder notes that it passed. If a number changes
after that, answers may be wrong or fail, but nothing outside the arrays is read: NumPy checks
indices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from models.errors import ArtifactError, shorten
from models.mapped.folder import MAGIC, Mapped, mapped, read, write
from models.mapped.vocabulary import MappedVocabulary, vocabulary_arrays
from models.Search.corpus import MAX_COLUMNS
from models.Search.index_check import check_content
from models.Search.relevance import TYPICAL, Relevance

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

FORM, FORM_BEFORE = "Search.v2", "Search.v1"
"""The second says that words were not folded, and has no relevance."""
LEAST_UNIT = 1e-4
"""Training makes none below 0.003."""
MAX_HEADER_BYTES = 1024 * 1024

_ARRAYS = {
    "hashes": ("u4", 1),
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
    """A term's rarity is its weight divided by this."""
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
    relevance: Relevance = TYPICAL
    folds_words: bool = True
    """Whether terms are of folded words; false in indexes of the first form."""

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
        "relevance": index.relevance.to_json(),
    }
    write(path, Mapped(arrays, facts))


def map_index(path: Path, scratch: Path | None) -> Index:
    """The index at `path`, mapped. Raises ArtifactError."""
    content = read_mapped(path)
    index = _shaped(content, path)

    def check() -> Mapped:
        check_content(path, content.arrays)
        return Mapped({"checked": np.zeros(0, np.uint8)}, {})

    mapped(scratch, [path], FORM, check)
    return index


def read_mapped(path: Path) -> Mapped:
    """The content of a mapped file of this family, its sizes unchecked. Raises ArtifactError."""
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
    if not isinstance(facts, dict) or facts.get("form") not in (FORM, FORM_BEFORE):
        raise ArtifactError(path, f"is no index in the form {FORM}")
    check_kinds(path, arrays, _ARRAYS)
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
        **dict[str, Any]({name: arrays[name] for name in _ARRAYS if name in Index.__slots__}),
    )


def check_kinds(
    path: Path, arrays: Mapping[str, NDArray[Any]], expected: Mapping[str, tuple[str, int]]
) -> None:
    """Raise ArtifactError unless there are just these arrays, each of its dtype and rank."""
    if arrays.keys() != expected.keys():
        raise ArtifactError(path, f"must hold the arrays {', '.join(expected)}")
    for name, (kind, rank) in expected.items():
        if arrays[name].dtype != np.dtype(f"<{kind}") or arrays[name].ndim != rank:
            raise ArtifactError(
                path,
                f"{name} has dtype {arrays[name].dtype} and {arrays[name].ndim} dimensions,"
                f" instead of {kind} and {rank}",
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
    if not isinstance(unit, float) or not LEAST_UNIT <= unit <= 1:
        raise ArtifactError(
            path, f"impact_unit is {shorten(unit)}: it must be from {LEAST_UNIT:g} to 1"
        )
    folds_words = facts["form"] == FORM
    try:
        relevance = Relevance.of_json(facts.get("relevance")) if folds_words else TYPICAL
    except ValueError as error:
        raise ArtifactError(path, f"relevance {error}") from error
    return {
        "columns": tuple(columns),
        "id_column": id_column,
        "impact_unit": unit,
        "relevance": relevance,
        "folds_words": folds_words,
    }
