"""Topics of a text: inference with a trained latent Dirichlet allocation, in NumPy alone.

The variational inference of Hoffman, Blei and Bach (NIPS 2010), algorithm 1, the E-step: the same
numbers as `transform` of scikit-learn's LatentDirichletAllocation, which trains these models, so
that a worker need not import scikit-learn. Reading the model is for `model_file`.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from numpy.typing import NDArray

MAX_ITERATIONS = 100
MEAN_CHANGE_TOLERANCE = 1e-3
SERIES_FROM = 6.0
_SHIFTS = np.arange(SERIES_FROM)[:, None]
_COUNTED = re.compile(r"\b\w\w+\b")
_EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class Lda:
    """A trained model of `k` topics over `v` words.

    *Shapes*: components and exp_dirichlet (k, v), topic_totals (k,), word -> column below v.
    """

    word_index: Mapping[str, int]
    components: NDArray[np.float64]
    exp_dirichlet: NDArray[np.float64]
    topic_totals: NDArray[np.float64]
    doc_topic_prior: float

    @property
    def n_topics(self) -> int:
        """The number of topics, `k` in the shapes above."""
        return len(self.components)


def counted_words(words: Iterable[str]) -> list[str]:
    """The parts of `words` that are counted: runs of two or more word characters, in lower case.

    So `co2-steuer` counts as `co2` and `steuer`.
    """
    return _COUNTED.findall(" ".join(words).lower())


def count_columns(
    counted: Iterable[str], word_index: Mapping[str, int], stop_words: Collection[str] = ()
) -> dict[int, int]:
    """How often each column of the vocabulary occurs, by rising column; others are left out."""
    by_word = Counter(counted)
    columns = columns_of((word for word in by_word if word not in stop_words), word_index)
    return dict(sorted((column, by_word[word]) for word, column in columns.items()))


def columns_of(words: Iterable[str], word_index: Mapping[str, int]) -> dict[str, int]:
    """The columns of those of different words that are in the vocabulary, in the words' order."""
    found = ((word, word_index.get(word)) for word in words)
    return {word: column for word, column in found if column is not None}


def topic_distribution(lda: Lda, counts: Mapping[int, int]) -> NDArray[np.float64]:
    """The distribution over topics of a document with these counts; uniform if it has none.

    *Shape*: (k,), summing to 1.
    """
    weights = np.fromiter(counts.values(), dtype=np.float64, count=len(counts))
    # One layout whatever the model's: sums of floats depend on it in the last digit.
    topic_word = np.ascontiguousarray(lda.exp_dirichlet[:, list(counts)])
    topics = np.ones(lda.n_topics)
    expected = _exp_expected_log(topics)
    for _ in range(MAX_ITERATIONS):
        before = topics
        share = expected @ topic_word + _EPSILON
        topics = expected * (topic_word @ (weights / share)) + lda.doc_topic_prior
        expected = _exp_expected_log(topics)
        if np.abs(topics - before).mean() < MEAN_CHANGE_TOLERANCE:
            break
    distribution: NDArray[np.float64] = topics / topics.sum()
    return distribution


def topical_importance(
    lda: Lda, topics: NDArray[np.float64], words: Iterable[str]
) -> dict[str, float]:
    """How much each word of the vocabulary is about `topics`: the cosine of the two vectors.

    Words that no topic has are left out, as if they were not in the vocabulary.
    """
    known = columns_of(words, lda.word_index)
    if not known:
        return {}
    columns = np.ascontiguousarray(lda.components[:, list(known.values())])
    vectors = columns / lda.topic_totals[:, None]
    norms = np.sqrt((vectors * vectors).sum(axis=0)) * np.sqrt(topics @ topics)
    dots = (topics @ vectors).tolist()
    return {
        word: dot / norm
        for word, dot, norm in zip(known, dots, norms.tolist(), strict=True)
        if norm > 0
    }


def _exp_expected_log(topics: NDArray[np.float64]) -> NDArray[np.float64]:
    """exp(E[log share]) of each topic where shares are Dirichlet with these parameters."""
    found = digamma(np.append(topics, topics.sum()))
    expected: NDArray[np.float64] = np.exp(found[:-1] - found[-1])
    return expected


def digamma(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The logarithmic derivative of the gamma function for values above 0, to about 3e-9.

    Bernardo's algorithm AS 103 (Applied Statistics 25, 1976): shifted up to 6 by recurrence, then
    three terms of the asymptotic series. scikit-learn uses it too, which keeps results comparable.
    """
    steps = values + _SHIFTS
    is_small = steps < SERIES_FROM
    shifted = values + is_small.sum(axis=0)
    inverse = 1.0 / shifted
    square = inverse * inverse
    result: NDArray[np.float64] = np.log(shifted) - 0.5 * inverse
    result -= (is_small / steps).sum(axis=0)
    result -= square * (1 / 12 - square * (1 / 120 - square * (1 / 252)))
    return result
