"""A miniature index, made by hand: for rehearsals in a process that must not import training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.Search.analysis import pieces
from models.Search.index_file import Index, write_index

if TYPE_CHECKING:
    from pathlib import Path

CELLS = ('["1", "Impfstoff", "Der Impfstoff wirkt."]', '["2", "Strom", "Der Strom ist teuer."]')


def write_miniature(path: Path) -> None:
    """Write an index of two documents, each with one word, its pieces and a stop word."""
    words = ("impfstoff", "strom")
    of_pieces = [(piece, row) for row, word in enumerate(words) for piece in pieces(word)]
    held = [[0], [1], [], *([row] for _, row in of_pieces)]
    terms = [*words, "!der", *(piece for piece, _ in of_pieces)]
    cells = [cell.encode() for cell in CELLS]
    write_index(
        path,
        Index(
            columns=("id", "title", "claim_text"),
            id_column=0,
            terms={term: row for row, term in enumerate(terms)},
            impact_unit=0.01,
            starts=np.cumsum([0, *map(len, held)], dtype=np.int64),
            documents=np.array([row for rows in held for row in rows], np.int32),
            impacts=np.full(sum(map(len, held)), 100, np.uint8),
            weights=np.full(len(terms), 0.01, np.float32),
            frequent_terms=np.array([2], np.int32),
            frequent_impacts=np.array([[100, 100]], np.uint8),
            word_vectors=np.eye(2, dtype=np.float16),
            document_vectors=np.eye(2, dtype=np.float16),
            cell_ends=np.cumsum([0, *map(len, cells)], dtype=np.int64),
            cells=np.frombuffer(b"".join(cells), np.uint8),
        ),
    )
