"""Keyphrases of tagged sentences: candidates, their words' ranks, and the order of phrases.

Tagging is left to `models.language`; how many phrases to show is left to the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.language.stemming import pke_stemmer
from models.TopicalPageRank.grammar import STEPS
from models.TopicalPageRank.graph import build_graph, pagerank
from models.TopicalPageRank.lda import (
    count_columns,
    counted_words,
    topic_distribution,
    topical_importance,
)
from models.TopicalPageRank.params import STEMS
from models.TopicalPageRank.tag_patterns import Budget

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from models.TopicalPageRank.lda import Lda
    from models.TopicalPageRank.params import TopicalPageRankParams

    Sentences = Sequence[Sequence[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class _Candidate:
    shown: str
    """As first seen in the text, in lower case."""
    words: tuple[str, ...]


def rank(
    sentences: Sentences, params: TopicalPageRankParams, lda: Lda, stop_words: Collection[str]
) -> list[tuple[str, float]]:
    """All candidate phrases with their scores, best first, first seen first among equals.

    `sentences` hold (token, universal part-of-speech tag). A score is the sum of the ranks of the
    phrase's words. Raises TooManySteps and TooManyPairs.
    """
    normalise = normaliser(params)
    words = [[normalise(token) for token, _ in sentence] for sentence in sentences]
    candidates = _candidates(sentences, words, params)
    if not candidates:
        return []
    ranks = _word_ranks(sentences, words, params, lda, stop_words)
    scored = [
        (candidate.shown, _score(candidate, ranks, is_mean=params.normalized))
        for candidate in candidates
    ]
    return sorted(scored, key=lambda pair: pair[1], reverse=True)  # stable, also in reverse


def normaliser(params: TopicalPageRankParams) -> Callable[[str], str]:
    """The function from a token to a word: its lower case, or its stem."""
    return pke_stemmer(params.language) if params.normalization == STEMS else str.lower


def _candidates(
    sentences: Sentences, words: Sequence[Sequence[str]], params: TopicalPageRankParams
) -> list[_Candidate]:
    found: dict[tuple[str, ...], _Candidate] = {}
    budget = Budget(STEPS)
    for sentence, sentence_words in zip(sentences, words, strict=True):
        for start, end in params.grammar.spans([tag for _, tag in sentence], budget):
            key = tuple(sentence_words[start:end])
            if key not in found:
                shown = " ".join(token for token, _ in sentence[start:end]).lower()
                found[key] = _Candidate(shown, key)
    return list(found.values())


def _word_ranks(
    sentences: Sentences,
    words: Sequence[Sequence[str]],
    params: TopicalPageRankParams,
    lda: Lda,
    stop_words: Collection[str],
) -> dict[str, float]:
    # One row of positions for the whole text: the window runs across sentences.
    row = [
        word if tag in params.graph_tags else None
        for sentence, sentence_words in zip(sentences, words, strict=True)
        for (_, tag), word in zip(sentence, sentence_words, strict=True)
    ]
    graph = build_graph(row, params.window)
    counted = counted_words(word for line in words for word in line)
    counts = count_columns(counted, lda.word_index, stop_words)
    importance = topical_importance(lda, topic_distribution(lda, counts), graph.words)
    # A word that the model does not know weighs as little as the least of those it knows. If it
    # knows none, all weigh the same.
    least = min(importance.values(), default=1.0)
    # Known words first: summed in this order, rounding is as it is in pke.
    weights = importance | {word: least for word in graph.words if word not in importance}
    total = sum(weights.values())
    if not total > 0:
        return pagerank(graph, dict.fromkeys(graph.words, 1.0))
    return pagerank(graph, {word: weight / total for word, weight in weights.items()})


def _score(candidate: _Candidate, ranks: dict[str, float], *, is_mean: bool) -> float:
    total = sum(ranks.get(word, 0.0) for word in candidate.words)
    return total / len(candidate.words) if is_mean else total
