"""Ranks of words: PageRank on the graph of words that stand near each other.

Page, Brin, Motwani and Winograd 1999, with the personalization and the weights of single topical
PageRank. Stops as networkx does, so that scores are comparable digit by digit. What the words are
and what they weigh is for `ranking`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DAMPING = 0.85
TOLERANCE = 1e-4
MAX_ITERATIONS = 100
MAX_PAIRS = 4_000_000
"""At most so many pairs of words are compared, that is some seconds and a few hundred MB."""
USUAL_WINDOW = 20
"""Up to this window texts may be as long as they like."""


@dataclass(frozen=True, slots=True)
class WordGraph:
    """An undirected graph: words by first appearance, and edge (a, b) with a < b -> weight."""

    words: tuple[str, ...]
    edges: Mapping[tuple[int, int], float]


class TooManyPairs(Exception):
    """More words are near each other than are compared."""


def build_graph(words: Sequence[str | None], window: int) -> WordGraph:
    """Link words less than `window` positions apart, once for each time they are.

    A None in `words` is a token that takes up a position but is no node. Raises TooManyPairs where
    the window is wide and the text long.
    """
    if min(window, len(words)) * len(words) > max(MAX_PAIRS, USUAL_WINDOW * len(words)):
        raise TooManyPairs
    index: dict[str, int] = {}
    positions = [-1 if word is None else index.setdefault(word, len(index)) for word in words]
    edges: dict[tuple[int, int], float] = {}
    for here, first in enumerate(positions):
        if first < 0:
            continue
        for second in positions[here + 1 : here + window]:
            if second >= 0 and second != first:
                edge = (first, second) if first < second else (second, first)
                edges[edge] = edges.get(edge, 0.0) + 1.0
    return WordGraph(tuple(index), edges)


def pagerank(graph: WordGraph, personalization: Mapping[str, float]) -> dict[str, float]:
    """The rank of each word; ranks sum to 1.

    `personalization` has a weight for every word, not all of them 0. Iterates until the ranks
    change by less than 1e-4 per word in sum, and at most 100 times.
    """
    size = len(graph.words)
    if not size:
        return {}
    ends = np.array(list(graph.edges), dtype=np.intp).reshape(-1, 2)
    weights = np.fromiter(graph.edges.values(), dtype=np.float64, count=len(graph.edges))
    # Sorted by source, and multiplied as networkx does: it adds up in this order what flows to a
    # word. So rounding is the same, and phrases of nearly equal scores come in the same order.
    order = np.argsort(ends.T.ravel(), kind="stable")
    sources = ends.T.ravel()[order]
    targets = ends[:, ::-1].T.ravel()[order]
    both = np.concatenate([weights, weights])[order]
    out_weight = np.bincount(sources, weights=both, minlength=size)
    is_dangling = out_weight == 0
    flow = (1.0 / out_weight[sources]) * both
    jump = np.array([personalization[word] for word in graph.words], dtype=np.float64)
    jump /= jump.sum()
    ranks = np.full(size, 1.0 / size)
    for _ in range(MAX_ITERATIONS):
        before = ranks
        followed = np.bincount(targets, weights=flow * before[sources], minlength=size)
        ranks = DAMPING * (followed + before[is_dangling].sum() * jump) + (1 - DAMPING) * jump
        if np.abs(ranks - before).sum() < size * TOLERANCE:
            break
    return dict(zip(graph.words, ranks.tolist(), strict=True))
