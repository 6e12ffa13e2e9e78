"""How training DocSim comes along, epoch by epoch, for the report.

gensim computes no loss for Doc2Vec, so two things are measured on a sample that stays the same:

- the log-loss of what the model is trained to do: tell a word of a text from words drawn at random,
  given the words around it and the text. The mean of all such decisions; `CHANCE` is guessing.
- the similarity of the two halves of a text, and of halves of different texts.

The sample is of the texts trained on, so this says whether training has converged, not how good
the model is on others. It reads the model and draws its own random numbers: what is learnt is the
same to the byte as without it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from gensim.models.callbacks import CallbackAny2Vec
from scipy.sparse import csr_matrix

from models.DocSim.vectors import unit

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from gensim.models.doc2vec import Doc2Vec, TaggedDocument
    from numpy.typing import NDArray

CHANCE = math.log(2)
MAX_MEASUREMENTS = 25
MAX_DECISIONS, MAX_TEXTS = 500, 200
"""Words told from others, and texts cut into halves: few enough to cost little of an epoch."""
MIN_HALF_WORDS = 2


class LearningCurve(CallbackAny2Vec):  # type: ignore[misc] # the base is untyped
    """Measures a model before training and at most `MAX_MEASUREMENTS` times in the course of it."""

    def __init__(
        self, documents: Sequence[TaggedDocument], stop_words: Collection[str], seed: int
    ) -> None:
        self._documents, self._stop_words, self._seed = documents, stop_words, seed
        self._epoch = 0
        self._points: list[dict[str, float | int | None]] = []

    def on_train_begin(self, model: Doc2Vec) -> None:
        """Draw the sample, which takes the vocabulary, and measure the untrained model."""
        generator = np.random.default_rng(self._seed)
        order = generator.permutation(len(self._documents)).tolist()
        self._guesses = _Guesses(model, [self._documents[n] for n in order[:MAX_DECISIONS]],
                                 generator)  # fmt: skip
        self._halves = _Halves(model, (self._documents[n].words for n in order), self._stop_words)
        self._measure(model)

    def on_epoch_end(self, model: Doc2Vec) -> None:
        """Measure now and then, and at the end."""
        self._epoch += 1
        every = math.ceil(model.epochs / MAX_MEASUREMENTS)
        if self._epoch % every == 0 or self._epoch == model.epochs:
            self._measure(model)

    def facts(self) -> dict[str, object]:
        """For the training report."""
        return {
            "decisions": self._guesses.count,
            "texts": self._halves.count,
            "chance": round(CHANCE, 4),
            "epochs": self._points,
        }

    def _measure(self, model: Doc2Vec) -> None:
        same, different = self._halves.similarities(model)
        self._points.append(
            {
                "epoch": self._epoch,
                "log_loss": _rounded(self._guesses.log_loss(model)),
                "same_text": _rounded(same),
                "different_texts": _rounded(different),
            }
        )


class _Guesses:
    """Words of texts, one a text, each to be told from words drawn as gensim draws them."""

    def __init__(
        self, model: Doc2Vec, documents: Sequence[TaggedDocument], generator: np.random.Generator
    ) -> None:
        index, width = model.wv.key_to_index, model.window
        contexts, texts, targets = [], [], []
        for document in documents:
            rows = [index[word] for word in document.words if word in index]
            if len(rows) > 1:
                place = int(generator.integers(len(rows)))
                contexts.append(rows[max(0, place - width) : place] + rows[place + 1 :][:width])
                texts.append(document.tags[0])
                targets.append(rows[place])
        self.count = len(targets)
        self._contexts = _mean_of(contexts, len(index))
        self._context_words = np.array([len(context) for context in contexts])
        self._texts = np.array(texts, np.intp)
        draws = _draws(model, generator, (self.count, model.negative))
        self._words = np.column_stack([np.array(targets, np.intp), draws])
        self._signs = np.array([1.0] + [-1.0] * model.negative)

    def log_loss(self, model: Doc2Vec) -> float | None:
        """The mean negative logarithm of the probability of the right answer; None of nothing."""
        if not self.count:
            return None
        # As gensim has it: the text counts as one more word of the context.
        n_words = self._context_words[:, None]
        context = self._contexts @ model.wv.vectors * n_words + model.dv.vectors[self._texts]
        scores = np.einsum("nd,nwd->nw", context / (n_words + 1), model.syn1neg[self._words])
        return float(np.logaddexp(0, -scores * self._signs).mean())


class _Halves:
    """Texts cut in the middle, compared as the model is served: without stop words."""

    def __init__(
        self, model: Doc2Vec, texts: Iterable[Sequence[str]], stop_words: Collection[str]
    ) -> None:
        index = model.wv.key_to_index
        firsts: list[list[int]] = []
        seconds: list[list[int]] = []
        for words in texts:
            rows = [index[word] for word in words if word in index and word not in stop_words]
            middle = len(rows) // 2
            if middle >= MIN_HALF_WORDS:
                firsts.append(rows[:middle])
                seconds.append(rows[middle:])
            if len(firsts) == MAX_TEXTS:
                break
        self.count = len(firsts)
        self._means = _mean_of(firsts + seconds, len(index))

    def similarities(self, model: Doc2Vec) -> tuple[float | None, float | None]:
        """The mean cosine of halves of one text, and of all pairs of halves of different ones."""
        count = self.count
        if count < 2:  # noqa: PLR2004 - there are no different ones
            return None, None
        units = unit(self._means @ model.wv.vectors).astype(np.float64)
        firsts, seconds = units[:count], units[count:]
        same = float((firsts * seconds).sum())
        all_pairs = float(firsts.sum(axis=0) @ seconds.sum(axis=0))
        return same / count, (all_pairs - same) / (count * (count - 1))


def _mean_of(rows: Sequence[Sequence[int]], n_words: int) -> csr_matrix:
    """A matrix that makes the mean vector of each group of rows. *Shape*: (groups, words)."""
    ends = np.cumsum([0, *map(len, rows)])
    columns = np.array([row for group in rows for row in group], np.intp)
    weights = np.repeat(1 / np.maximum(np.diff(ends), 1), np.diff(ends)).astype(np.float32)
    return csr_matrix((weights, columns, ends), shape=(len(rows), n_words))


def _draws(
    model: Doc2Vec, generator: np.random.Generator, shape: tuple[int, int]
) -> NDArray[np.intp]:
    """Words drawn at random, the common ones more often, by the exponent of the model."""
    counts = model.wv.expandos["count"].astype(np.float64) ** model.ns_exponent
    bounds = np.cumsum(counts)
    places = np.searchsorted(bounds, generator.random(shape) * bounds[-1], side="right")
    found: NDArray[np.intp] = np.minimum(places, len(counts) - 1)
    return found


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
