"""Whether a trained DocSim tells related texts from unrelated ones, for the report.

Related are a row's title and its text; where the corpus has no titles, the two halves of a text.
Unrelated are the same texts paired with those of other rows. Compared as the model is served. The
texts were trained on (titles were not), so a set of judged pairs says more; see `evaluate`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from models.corpus_reader import read_table
from models.DocSim.texts import in_batches
from models.evaluation.measures import roc_auc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from models.corpus_reader import Corpus
    from models.DocSim.texts import TextReader

MAX_PAIRS = 1000
MAX_TEXT_CHARS = 20_000
"""A longer text is compared by its beginning."""
MIN_PAIRS = 2
BINS = 40
"""From -1 to 1."""


def similarity_facts(
    corpus: Corpus, title_column: str, reader: TextReader, seed: int
) -> dict[str, object]:
    """Both kinds of similarity as histograms, and their separation; empty without enough pairs.

    A corpus need not have titles. Raises CorpusError.
    """
    rows = _sample(corpus, title_column)
    pairs = [(title, text) for title, text in rows if title and title != text]
    related = "a title and its text", "a title and another row's text"
    if 2 * len(pairs) < len(rows):
        pairs = [_halves(text) for _, text in rows]
        related = "the two halves of a text", "halves of different texts"
    firsts, seconds = [first for first, _ in pairs], [second for _, second in pairs]
    # A text that is there twice is no unrelated one.
    apart = [
        (first, seconds[other])
        for first, second, other in zip(firsts, seconds, _others(len(pairs), seed), strict=True)
        if seconds[other] != second
    ]
    close = _similarities(reader, firsts, seconds)
    far = _similarities(reader, [first for first, _ in apart], [other for _, other in apart])
    if min(len(close), len(far)) < MIN_PAIRS:
        return {}
    scores = [*close.tolist(), *far.tolist()]
    return {
        "related": related[0],
        "unrelated": related[1],
        "auroc": round(roc_auc(scores, [True] * len(close) + [False] * len(far)), 4),
        "related_pairs": len(close),
        "unrelated_pairs": len(far),
        "pairs_without_known_words": len(pairs) - len(close),
        "related_mean": round(float(close.mean()), 4),
        "unrelated_mean": round(float(far.mean()), 4),
        "related_counts": _counts(close),
        "unrelated_counts": _counts(far),
        "lowest": -1,
        "highest": 1,
    }


def _sample(corpus: Corpus, title_column: str) -> list[tuple[str, str]]:
    """Titles and texts of rows at equal distances; titles are empty if the corpus has none."""
    texts = corpus.texts
    every = math.ceil((len(texts) + corpus.skipped_rows) / MAX_PAIRS)
    table = read_table(texts.path, (texts.column,), (title_column,), form=texts.form)
    cells = (row for number, row in table if number % every == 0)
    rows = [(title.strip(), text.strip()[:MAX_TEXT_CHARS]) for text, title in cells]
    return [(title[:MAX_TEXT_CHARS], text) for title, text in rows if text]


def _halves(text: str) -> tuple[str, str]:
    words = text.split()
    middle = len(words) // 2
    return " ".join(words[:middle]), " ".join(words[middle:])


def _others(count: int, seed: int) -> list[int]:
    """For each of `count` things another one, at random."""
    order = np.random.default_rng(seed).permutation(count)
    others = np.empty(count, np.intp)
    others[order] = np.roll(order, 1)
    found: list[int] = others.tolist()
    return found


def _similarities(
    reader: TextReader, firsts: Sequence[str], seconds: Sequence[str]
) -> NDArray[np.float32]:
    """The cosines of pairs in which both texts have known words."""
    found = [np.empty(0, np.float32)]
    for part in in_batches(len(firsts)):
        first, second = reader.pairs(firsts[part], seconds[part])
        are_known = (first.counts > 0) & (second.counts > 0)
        found.append((first.units * second.units).sum(axis=1)[are_known])
    return np.concatenate(found)


def _counts(similarities: NDArray[np.float32]) -> list[int]:
    counts, _ = np.histogram(np.clip(similarities, -1, 1), BINS, (-1, 1))
    found: list[int] = counts.tolist()
    return found
