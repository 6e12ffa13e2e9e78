"""Documents of a corpus that say nearly the same, for the training report.

Alike are documents that share at least `MIN_ALIKE` of their different words (Jaccard's measure).
Candidates come from MinHash signatures in bands (Broder 1997; Leskovec, Rajaraman and Ullman,
*Mining of Massive Datasets*, chapter 3): documents that agree in one band. Each is compared with
the first and the previous one of its band only, so the work stays linear in the corpus; what is
told is computed from the words themselves. A pair just above the bound may be missed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_matrix

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.Search.building import Cells
    from models.Search.corpus import Columns
    from models.word_counts import WordCounts

MIN_ALIKE = 0.8
SHOWN = 20
SHOWN_CHARS = 200
MAX_DOCUMENTS = 100_000
"""The first documents of a corpus; later ones are not looked at."""
BANDS, HASHES_IN_BAND = 16, 4
_SEED = 1
_ROWS_AT_ONCE = 4096
_DOUBTED = 0.15
"""A signature's estimate may be so much below the truth, or a little more once in a while."""


def near_duplicates(counted: WordCounts, columns: Columns, cells: Cells) -> dict[str, object]:
    """How many documents are much like an earlier one, and those that are most so."""
    n_documents = min(len(counted), MAX_DOCUMENTS)
    firsts, seconds, alike = alike_pairs(counted.matrix()[:n_documents])
    order = np.argsort(-alike, kind="stable")[:SHOWN]

    def told(document: int) -> dict[str, str]:
        found = json.loads(cells.of(document))
        title = found[columns.text if columns.title is None else columns.title]
        return {"id": found[columns.id][:SHOWN_CHARS], "title": title[:SHOWN_CHARS]}

    return {
        "documents_looked_at": n_documents,
        "bound": MIN_ALIKE,
        "documents": len(alike),
        "pairs": [
            {
                "first": told(int(firsts[pair])),
                "second": told(int(seconds[pair])),
                "alike": round(float(alike[pair]), 3),
            }
            for pair in order
        ],
    }


def alike_pairs(
    counts: csr_matrix,
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Each document that is alike an earlier one, by rising row, with the most alike one found.

    Returns the earlier rows, the later rows, and how alike they are. *Shape* of counts:
    (documents, words).
    """
    rows = np.flatnonzero(np.diff(counts.indptr))  # a document without words has no signature
    chosen = counts[rows]
    ones = np.ones(chosen.nnz, np.int8)
    held = csr_matrix((ones, chosen.indices, chosen.indptr), shape=chosen.shape)
    firsts, seconds = _candidates(held)
    alike = _jaccard(held, firsts, seconds)
    are_alike = alike >= MIN_ALIKE
    firsts, seconds, alike = firsts[are_alike], seconds[are_alike], alike[are_alike]
    order = np.lexsort((firsts, -alike, seconds))
    _, best = np.unique(seconds[order], return_index=True)
    told = order[best]
    return rows[firsts[told]], rows[seconds[told]], alike[told]


def _candidates(held: csr_matrix) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of rows, the earlier first, that may be alike by their sizes and signatures."""
    signatures = _signatures(held)
    pairs = np.unique(np.concatenate([_paired(band) for band in signatures]), axis=0)
    sizes = np.diff(held.indptr)[pairs]
    pairs = pairs[sizes.min(axis=1) >= MIN_ALIKE * sizes.max(axis=1)]
    agreeing = np.zeros(len(pairs))
    for band in signatures:
        agreeing += (band[pairs[:, 0]] == band[pairs[:, 1]]).mean(axis=1)
    pairs = pairs[agreeing / BANDS >= MIN_ALIKE - _DOUBTED]
    return pairs[:, 0], pairs[:, 1]


def _signatures(held: csr_matrix) -> NDArray[np.uint32]:
    """The least hash of each row's words, by many hashes. *Shape*: (bands, rows, hashes)."""
    generator = np.random.default_rng(_SEED)
    factors = generator.integers(2**63, size=(BANDS, HASHES_IN_BAND, 2), dtype=np.uint64) | 1
    signatures = np.empty((BANDS, held.shape[0], HASHES_IN_BAND), np.uint32)
    for start in range(0, held.shape[0], _ROWS_AT_ONCE):
        ends = held.indptr[start : start + _ROWS_AT_ONCE + 1]
        words = held.indices[ends[0] : ends[-1]].astype(np.uint64) + np.uint64(1)
        part = signatures[:, start : start + _ROWS_AT_ONCE]
        for band, number in np.ndindex(BANDS, HASHES_IN_BAND):
            one, other = factors[band, number]
            hashes = words * one  # wraps around, as it should
            hashes ^= hashes >> np.uint64(29)
            hashes *= other
            hashes >>= np.uint64(32)
            part[band, :, number] = np.minimum.reduceat(hashes, ends[:-1] - ends[0])
    return signatures


def _paired(band: NDArray[np.uint32]) -> NDArray[np.intp]:
    """Each row with the first, and with the one before it, of those that agree in all columns.

    *Shape*: (pairs, 2).
    """
    keys = np.ascontiguousarray(band).view(f"V{band.itemsize * band.shape[1]}").ravel()
    _, group = np.unique(keys, return_inverse=True)
    order = np.argsort(group, kind="stable")
    grouped = group[order]
    is_first = np.diff(grouped, prepend=-1) > 0
    first = order[np.flatnonzero(is_first)][grouped]
    later = ~is_first
    previous = np.roll(order, 1)
    with_first = np.column_stack([first[later], order[later]])
    return np.concatenate([with_first, np.column_stack([previous[later], order[later]])])


def _jaccard(
    held: csr_matrix, firsts: NDArray[np.intp], seconds: NDArray[np.intp]
) -> NDArray[np.float64]:
    sizes = np.diff(held.indptr)
    alike = np.empty(len(firsts))
    for start in range(0, len(firsts), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        one, other = firsts[part], seconds[part]
        shared = np.asarray(held[one].multiply(held[other]).sum(axis=1)).ravel()
        alike[part] = shared / (sizes[one] + sizes[other] - shared)
    return alike
