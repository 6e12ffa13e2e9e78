"""The prepared documents of an artifact: their vectors, and what else is known about each.

Two files beside the model, data only:

- `DocSim-documents.npy`: a matrix of float32 in C order, a row a document, as wide as the model's
  vectors; each row of length 1, or zeros for a document without a known word.
- `DocSim-documents.jsonl`, which may be left out: as many lines, each a JSON object, the document's
  own fields in UTF-8.

Both are mapped where they are. They are checked whole when the artifact is first loaded; where each
line ends is kept in the model's scratch folder. `prepare` writes them.
"""

from __future__ import annotations

import json
import mmap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from models.errors import ArtifactError, shorten
from models.mapped.folder import Mapped, mapped
from models.mapped.npy import map_matrix

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

VECTORS_FILE, FIELDS_FILE = "DocSim-documents.npy", "DocSim-documents.jsonl"
FORM = "DocSim.documents.v1"
MAX_LINE_BYTES = 1024 * 1024
LENGTH_TOLERANCE = 1e-3
ROWS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Documents:
    """Documents as rows of a matrix of vectors of length 1. *Shape*: (documents, dimensions)."""

    units: NDArray[np.float32]
    _ends: NDArray[np.int64]
    """Where each document's line ends; empty if there are no fields."""
    _lines: mmap.mmap | bytes

    def __len__(self) -> int:
        return len(self.units)

    def fields_bytes(self, rows: Iterable[int]) -> int:
        """How many bytes of JSON say what is known of some documents."""
        ends = self._ends
        if not len(ends):
            return 0
        return sum(int(ends[row]) - (int(ends[row - 1]) if row else 0) for row in rows)

    def fields(self, row: int) -> dict[str, Any]:
        """What is known of a document; nothing if the artifact says nothing."""
        if not len(self._ends):
            return {}
        start = int(self._ends[row - 1]) if row else 0
        found: dict[str, Any] = json.loads(self._lines[start : int(self._ends[row])].decode())
        return found

    def best(self, query: NDArray[np.float32], top_k: int) -> list[tuple[int, np.float32]]:
        """The `top_k` documents most like a query of length 1, best first, each with its score.

        The scores are one product of float32 matrices: their last digit may differ from a pair's.
        """
        scores = self.units @ query
        rows = best_rows(scores, top_k)
        return list(zip(rows.tolist(), scores[rows], strict=True))


def best_rows(scores: NDArray[np.float32], top_k: int) -> NDArray[np.intp]:
    """The rows of the `top_k` highest scores, highest first, equal ones in their order."""
    rows = np.arange(len(scores))
    if top_k < len(scores):
        least = np.partition(scores, len(scores) - top_k)[len(scores) - top_k]
        rows = np.flatnonzero(scores >= least)
    return rows[np.argsort(-scores[rows], kind="stable")][:top_k]


def map_documents(model_dir: Path, scratch: Path | None, dimensions: int) -> Documents | None:
    """The artifact's prepared documents, None if it has none. Raises ArtifactError."""
    vectors, fields = model_dir / VECTORS_FILE, model_dir / FIELDS_FILE
    has_fields = is_inside(fields)
    if not is_inside(vectors):
        if has_fields:
            raise ArtifactError(fields, f"has documents, but {VECTORS_FILE} is missing")
        return None
    units = _map_units(vectors, dimensions)

    def build() -> Mapped:
        _check_units(units, vectors)
        ends = _check_lines(fields, len(units)) if has_fields else np.empty(0, np.int64)
        return Mapped({"ends": ends}, {})

    sources = [vectors, fields] if has_fields else [vectors]
    ends = mapped(scratch, sources, FORM, build).arrays["ends"]
    return Documents(units, ends, _map_lines(fields) if has_fields else b"")


def is_inside(path: Path) -> bool:
    """Whether an artifact has a file; ArtifactError if it is a link that leads out of it."""
    if path.is_symlink() and not path.resolve().is_relative_to(path.parent.resolve()):
        raise ArtifactError(path, "lies outside the artifact")
    return path.exists()


def _map_units(path: Path, dimensions: int) -> NDArray[np.float32]:
    try:
        units = map_matrix(path)
    except OSError as error:
        raise ArtifactError(path, f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ArtifactError(path, str(error)) from error
    rows, columns = units.shape
    if columns != dimensions:
        raise ArtifactError(
            path, f"has vectors of {columns} numbers; the model's words have {dimensions}"
        )
    if not rows:
        raise ArtifactError(path, "has no documents")
    return units


def _check_units(units: NDArray[np.float32], path: Path) -> None:
    for start in range(0, len(units), ROWS_AT_ONCE):
        chunk = np.asarray(units[start : start + ROWS_AT_ONCE], np.float64)
        lengths = np.sqrt(np.square(chunk).sum(axis=1))
        wrong = ~((lengths == 0) | (np.abs(lengths - 1) <= LENGTH_TOLERANCE))  # NaN is wrong too
        if wrong.any():
            row = int(np.argmax(wrong))
            raise ArtifactError(
                path, f"row {start + row} has length {lengths[row]:.6g}: must be 1, or 0"
            )


def _check_lines(path: Path, count: int) -> NDArray[np.int64]:
    """Where each line ends; every line must hold an object."""
    ends: list[int] = []
    try:
        with path.open("rb") as file:
            while line := file.readline(MAX_LINE_BYTES + 1):
                number = len(ends) + 1
                if len(line) > MAX_LINE_BYTES:
                    raise ArtifactError(path, f"line {number} has over {MAX_LINE_BYTES} bytes")
                if number > count:
                    break
                _check_line(line, path, number)
                ends.append(file.tell())
            has_more = bool(line)
    except OSError as error:
        raise ArtifactError(path, f"cannot be read: {error.strerror}") from error
    if len(ends) != count or has_more:
        found = f"more than {count}" if has_more else str(len(ends))
        raise ArtifactError(path, f"has {found} lines for {count} vectors in {VECTORS_FILE}")
    return np.array(ends, np.int64)


def _check_line(line: bytes, path: Path, number: int) -> None:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON value")

    try:
        value = json.loads(line.decode(), parse_constant=refuse)
        # It is sent to callers as it is: without 1e999, or half a surrogate pair.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise ArtifactError(path, f"line {number} is not JSON: {shorten(str(error))}") from error
    if not isinstance(value, dict):
        raise ArtifactError(path, f"line {number} must be a JSON object, not {shorten(value, 60)}")


def _map_lines(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
