"""Training TopicalPageRank: topics of the titles in a corpus, by scikit-learn's LDA.

It trains as pke does: ten batch iterations from the same random state, over the counts of all words
but stop words. The same titles and stop words give pke's numbers to the last bit. Words are counted
as they are when the model serves (`lda.counted_words`). Counting needs tokens only, so titles are
not tagged. The same corpus and parameters give the same bytes.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import joblib  # type: ignore[import-untyped]
import numpy as np
from sklearn.decomposition import LatentDirichletAllocation
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from models.corpus_reader import read_corpus
from models.errors import ArtifactError, CorpusError
from models.language.pipelines import NoPipelineError, pipeline, tokenize
from models.language.stop_words import learn_stop_words
from models.params import Params
from models.serving import Lessons
from models.tables import told_by
from models.text import clean
from models.TopicalPageRank.lda import counted_words
from models.TopicalPageRank.learnt_topics import titles_led, topic_facts
from models.TopicalPageRank.model_file import write_lda
from models.TopicalPageRank.params import parse_params
from models.TopicalPageRank.ranking import normaliser
from models.training_params import (
    read_effort,
    share,
    warn_of_rows,
    warn_of_typos,
    write_params,
)
from models.word_counts import WordCounts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix
    from spacy.language import Language

    from models.corpus_reader import Corpus, Texts
    from models.serving import Material, Progress, ProgressBar
    from models.TopicalPageRank.params import TopicalPageRankParams
    from models.training_params import Effort

log = logging.getLogger(__name__)

COLUMN = "title"
"""The column with the titles, unless `title_column` names another one."""
ADVICE = "Set title_column (--title-column) to the one with the titles"
SEED = 0
KEYS = ("grammar", "normalization", "window", "max_count", "n_topics", "n_datasets", "pos",
        "normalized", "spacy_pipeline", "engine", "compat")  # fmt: skip
"""The parameters of this family."""
COVERAGE_TITLES = 10_000
"""The coverage of a sample is measured on at most so many of the titles it left out."""


@dataclass(frozen=True, slots=True)
class _Titles:
    """The titles of a corpus, counted."""

    corpus: Corpus
    counts: WordCounts
    """Of the titles trained on."""
    others: WordCounts
    """Of some that were left out of a sample; empty where there is none."""


def train(material: Material, output_dir: Path, progress: Progress) -> Lessons:
    """Write `TopicalPageRank-params.json` and `-model`. Raises CorpusError and ArtifactError.

    `n_datasets` titles, drawn by the seed, where the corpus has more; all unless it is given.
    """
    raw = Params("TopicalPageRank-params.json", material.params)
    checked = parse_params(raw)
    n_topics = raw.whole_number("n_topics", maximum=10_000)
    n_datasets = raw.whole_number("n_datasets") if "n_datasets" in raw.values else None
    effort = read_effort(raw, SEED)
    learn_stop_words(raw, (), 0)  # raises for a faulty parameter before the corpus is read
    warn_of_typos(raw, KEYS)
    corpus = _check(material, raw, checked, progress)
    titles = _read(corpus, checked, n_datasets, effort.seed, progress)
    counts = titles.counts
    stop_words = checked.stop_words | learn_stop_words(raw, counts.document_counts(), len(counts))
    words = sorted(set(counts.words()) - stop_words)
    if not words:
        column = titles.corpus.texts.column
        raise CorpusError(material.corpus, f"has only stop words in column {column!r}")
    if n_topics > len(counts):
        log.warning("n_topics is %d, and there are %d titles: some topics are of no title",
                    n_topics, len(counts))  # fmt: skip
    with progress(_Watched().max_iter, "iteration", "TopicalPageRank: topics") as bar:
        matrix = counts.matrix_of(words)
        model = _fit(matrix, n_topics, effort, bar)
    write_lda(
        output_dir / "TopicalPageRank-model",
        words,
        model.components_,
        model.exp_dirichlet_component_,
        model.doc_topic_prior_,
    )
    write_params(output_dir, raw, stop_words)
    learnt = stop_words - checked.stop_words
    facts = _told(titles, effort) | {
        "vocabulary_words": len(words),
        "topics": n_topics,
        "stop_words": sorted(stop_words),
        "learnt_stop_words": sorted(learnt),
        "coverage": _coverage(titles, set(words), stop_words),
    }
    return Lessons(facts | _learnt(model, words, matrix))


def _told(titles: _Titles, effort: Effort) -> dict[str, object]:
    """What went into training."""
    return {
        "rows": len(titles.corpus.texts),
        "skipped_rows": titles.corpus.skipped_rows,
        "rows_without_words": titles.corpus.rows_without_words,
        "read_as": str(titles.corpus.texts.form),
        "titles_trained_on": len(titles.counts),
        "seed": effort.seed,
        "workers": effort.workers,
        # Each worker adds up its own part, so the order of sums depends on their number.
        "reproducible": "to the byte, with the same number of workers",
    }


def _check(
    material: Material, raw: Params, params: TopicalPageRankParams, progress: Progress
) -> Corpus:
    """The titles of a corpus that is sound, for a language that can be split into words."""
    _pipeline(params)
    corpus = read_corpus(
        material.corpus,
        raw.text("title_column", COLUMN),
        progress,
        "TopicalPageRank: checking the corpus",
        told=told_by(raw),
        advice=ADVICE,
    )
    warn_of_rows(corpus)
    return corpus


def _pipeline(params: TopicalPageRankParams) -> Language:
    try:
        return pipeline(params.language, params.spacy_pipeline)
    except NoPipelineError as error:
        raise ArtifactError("TopicalPageRank-params.json", str(error)) from error


def _read(
    corpus: Corpus,
    params: TopicalPageRankParams,
    n_datasets: int | None,
    seed: int,
    progress: Progress,
) -> _Titles:
    chosen, left_out = _draw(len(corpus.texts), n_datasets, seed)
    wanted = sorted({*chosen, *left_out}) if left_out else chosen
    normalise = normaliser(params)
    counts, others = WordCounts(), WordCounts()
    with progress(len(wanted), "title", "TopicalPageRank: splitting titles") as bar:
        picked = _picked(corpus.texts, wanted)
        if not params.is_original:
            picked = map(clean, picked)
        split = tokenize(_pipeline(params), picked, whole_words=not params.is_original)
        for number, tokens in zip(wanted, split, strict=True):
            words = counted_words(normalise(token) for token in tokens)
            (counts if number in chosen else others).add((words, 1))
            bar.update(1)
    return _Titles(corpus, counts, others)


def _draw(n_texts: int, n_wanted: int | None, seed: int) -> tuple[Collection[int], Collection[int]]:
    """Which texts to train on, and which others to look at for the coverage."""
    if n_wanted is None or n_texts <= n_wanted:
        return range(n_texts), ()  # a set of all would be large
    order = np.random.default_rng(seed).permutation(n_texts).tolist()
    return set(order[:n_wanted]), set(order[n_wanted : n_wanted + COVERAGE_TITLES])


def _picked(texts: Texts, wanted: Iterable[int]) -> Iterator[str]:
    """The texts of these rising numbers."""
    left = iter(wanted)
    next_wanted = next(left, None)
    for number, text in enumerate(texts):
        if number == next_wanted:
            yield text
            next_wanted = next(left, None)


def _coverage(
    titles: _Titles, words: Collection[str], stop_words: Collection[str]
) -> dict[str, object]:
    """The shares of all words, and of all different words, that the vocabulary holds."""
    counts = titles.others if len(titles.others) else titles.counts
    found = dict(counts.token_counts())
    telling = {word: count for word, count in found.items() if word not in stop_words}
    known = {word: count for word, count in telling.items() if word in words}
    return {
        "tokens_without_stop_words": share(sum(known.values()), sum(telling.values())),
        "types_without_stop_words": share(len(known), len(telling)),
        "stop_words_of_tokens": share(
            sum(found.values()) - sum(telling.values()), sum(found.values())
        ),
        "titles": len(counts),
        "looked_at": f"titles {'not ' if len(titles.others) else ''}trained on",
    }


class _Watched(LatentDirichletAllocation):  # type: ignore[misc] # the base is untyped
    """Counts iterations on a progress bar, and keeps which topic each title has most of."""

    bar: ProgressBar | None = None
    leaders: NDArray[np.intp]
    """The topic with the largest share of each title, as last seen. *Shape*: (titles,)."""

    def _e_step(self, *args: object, **options: object) -> object:
        found = super()._e_step(*args, **options)
        self.leaders = np.argmax(found[0], axis=1)
        return found

    def _em_step(self, *args: object, **options: object) -> object:
        result = super()._em_step(*args, **options)
        if self.bar is not None:
            self.bar.update(1)
        return result


def _fit(counts: csr_matrix, n_topics: int, effort: Effort, bar: ProgressBar) -> _Watched:
    model = _Watched(
        n_components=n_topics,
        learning_method="batch",
        random_state=effort.seed,
        n_jobs=effort.workers,
    )
    model.bar = bar
    # The order of sums, and so their last digits, depends on threads.
    with threadpool_limits(1), joblib.parallel_config("loky", inner_max_num_threads=1):
        model.fit(counts)
    return model


def _learnt(model: _Watched, words: Sequence[str], matrix: csr_matrix) -> dict[str, object]:
    """What the topics are about. *Shape* of matrix: (titles, words)."""
    leads = titles_led(model.leaders, np.diff(matrix.indptr), len(model.components_))
    return {
        "perplexity": round(float(model.bound_), 2),
        "titles_without_topic": matrix.shape[0] - int(leads.sum()),
        "topic_words": topic_facts(words, model.components_, leads),
    }
