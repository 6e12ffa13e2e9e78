"""Measures of rankings, of scored pairs and of keyphrases. Pure; all are from 0 to 1.

Rankings are lists of ids, best first, without repetition. The measures of one query are averaged
over queries by `mean` (macro average).
"""

from __future__ import annotations

import bisect
import math
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence


def mean(values: Iterable[float]) -> float:
    """The arithmetic mean; 0 of nothing."""
    gathered = list(values)
    return fmean(gathered) if gathered else 0.0


INTERVAL_DRAWS, INTERVAL_SEED = 2000, 0
RECALL_DEPTHS = (1, 5, 10, 100)


def retrieval_measures(
    rankings: Mapping[str, Sequence[str]], relevance: Mapping[str, Mapping[str, float]]
) -> dict[str, float]:
    """MRR@10, nDCG@10 and recall, averaged over the queries of `relevance`; no ranking counts 0."""
    judged = [(rankings.get(query, ()), grades) for query, grades in relevance.items()]
    return {
        "mrr@10": mean(reciprocal_rank(ranking, grades) for ranking, grades in judged),
        "ndcg@10": mean(ndcg(ranking, grades) for ranking, grades in judged),
        **{
            f"recall@{depth}": mean(recall(ranking, grades, depth) for ranking, grades in judged)
            for depth in RECALL_DEPTHS
        },
    }


def with_interval(
    measures: Mapping[str, float],
    rankings: Mapping[str, Sequence[str]],
    relevance: Mapping[str, Mapping[str, float]],
) -> dict[str, float]:
    """The measures, and between which values the MRR@10 of such queries lies (95 %)."""
    ranks = [
        reciprocal_rank(rankings.get(query, ()), grades) for query, grades in relevance.items()
    ]
    low, high = interval(ranks)
    return {"mrr@10": measures["mrr@10"], "mrr@10_low": low, "mrr@10_high": high, **measures}


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of the mean by bootstrap, the same each time; 0 and 0 of nothing."""
    if not values:
        return 0.0, 0.0
    given, draw = np.asarray(values), np.random.default_rng(INTERVAL_SEED)
    means = [given[draw.integers(0, len(given), len(given))].mean() for _ in range(INTERVAL_DRAWS)]
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)


def pair_qualities(scores: Sequence[float], labels: Sequence[bool]) -> list[float]:
    """For each pair, the share of the other kind's that it is in the right order with."""
    by_label = {kind: sorted(s for s, label in zip(scores, labels, strict=True) if label is kind)
                for kind in (True, False)}  # fmt: skip
    found = []
    for score, label in zip(scores, labels, strict=True):
        others = by_label[not label]
        if label:
            right = bisect.bisect_left(others, score)
        else:
            right = len(others) - bisect.bisect_right(others, score)
        found.append(right / len(others) if others else 1.0)
    return found


def pair_measures(scores: Sequence[float], labels: Sequence[bool]) -> dict[str, float]:
    """Average precision and the area under the ROC curve."""
    return {
        "average_precision": average_precision(scores, labels),
        "roc_auc": roc_auc(scores, labels),
    }


def reciprocal_rank(ranking: Sequence[str], relevant: Collection[str], depth: int = 10) -> float:
    """One by the rank of the first relevant document, 0 if there is none down to `depth`."""
    ranks = (rank for rank, found in enumerate(ranking[:depth], 1) if found in relevant)
    return 1 / next(ranks, math.inf)


def recall(ranking: Sequence[str], relevant: Collection[str], depth: int) -> float:
    """Which share of the relevant documents is among the first `depth`; 0 if there are none."""
    if not relevant:
        return 0.0
    return sum(found in relevant for found in ranking[:depth]) / len(relevant)


def ndcg(ranking: Sequence[str], relevance: Mapping[str, float], depth: int = 10) -> float:
    """Discounted cumulative gain of the first `depth`, by that of the best ranking.

    Linear gain, logarithmic discount (Järvelin and Kekäläinen, TOIS 2002), as trec_eval does it.
    """
    best = sorted((grade for grade in relevance.values() if grade > 0), reverse=True)
    if not best:
        return 0.0
    gained = (relevance.get(found, 0.0) for found in ranking[:depth])
    return _discounted(gained) / _discounted(best[:depth])


def _discounted(gains: Iterable[float]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, 1))


def average_precision(scores: Sequence[float], labels: Sequence[bool]) -> float:
    """The area under precision over recall, in steps; pairs of one score come in together."""
    positives = sum(labels)
    total, hits, seen = 0.0, 0, 0
    for _, group in _by_falling_score(scores, labels):
        found = sum(group)
        hits, seen = hits + found, seen + len(group)
        total += found * hits / seen
    return total / positives if positives else 0.0


def roc_auc(scores: Sequence[float], labels: Sequence[bool]) -> float:
    """How often a pair that belongs together has the higher score than one that does not.

    Equal scores count half (Mann and Whitney's U); 0.5 where either kind is missing.
    """
    positives = sum(labels)
    negatives = len(labels) - positives
    if not positives or not negatives:
        return 0.5
    wins, above = 0.0, 0
    for _, group in _by_falling_score(scores, labels):
        found = sum(group)
        others = len(group) - found
        wins += others * (above + found / 2)
        above += found
    return wins / (positives * negatives)


def _by_falling_score(
    scores: Sequence[float], labels: Sequence[bool]
) -> list[tuple[float, list[bool]]]:
    """The labels of each different score."""
    groups: dict[float, list[bool]] = {}
    for score, label in zip(scores, labels, strict=True):
        groups.setdefault(score, []).append(label)
    return sorted(groups.items(), reverse=True)


def keyphrase_f(
    found: Sequence[str], gold: Collection[str], depth: int, stem: Callable[[str], str]
) -> float:
    """F1 of the first `depth` keyphrases found, against all gold ones, by exact match of stems.

    A phrase is its words' stems in lower case; phrases of the same stems count once.
    """
    wanted = {stemmed(phrase, stem) for phrase in gold}
    given = list(dict.fromkeys(stemmed(phrase, stem) for phrase in found))[:depth]
    hits = sum(phrase in wanted for phrase in given)
    if not hits:
        return 0.0
    precision, found_share = hits / len(given), hits / len(wanted)
    return 2 * precision * found_share / (precision + found_share)


def stemmed(phrase: str, stem: Callable[[str], str]) -> str:
    """The stems of a phrase's words."""
    return " ".join(stem(word) for word in phrase.lower().split())
