"""Corpora: one column of a CSV file with a header line, row by row.

What a family does with the texts is its own business.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.errors import CorpusError

if TYPE_CHECKING:
    from pathlib import Path

_MAX_FIELD_CHARS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Corpus:
    """The texts of a column in file order, and how many rows had none."""

    texts: tuple[str, ...]
    skipped_rows: int


def read_corpus(path: Path, column: str) -> Corpus:
    """Read the texts in `column` of the UTF-8 CSV `path`; rows where it is blank are skipped.

    Raises CorpusError if the file cannot be read, lacks the column or has no text in it.
    """
    csv.field_size_limit(_MAX_FIELD_CHARS)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            found = list(reader.fieldnames or ())
            if column not in found:
                raise CorpusError(
                    path, f"has no column {column!r}; its columns: {', '.join(found) or 'none'}"
                )
            cells = [row[column] or "" for row in reader]
    except OSError as error:
        raise CorpusError(path, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CorpusError(path, f"is not UTF-8 at byte {error.start}") from error
    except csv.Error as error:
        raise CorpusError(path, f"is not CSV: {error}") from error
    texts = tuple(cell.strip() for cell in cells if cell.strip())
    if not texts:
        raise CorpusError(path, f"has no text in column {column!r} ({len(cells)} rows)")
    return Corpus(texts, len(cells) - len(texts))
