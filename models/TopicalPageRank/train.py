"""Training TopicalPageRank: topics of the titles in a corpus, by scikit-learn's LDA.

Counts as `lda.count_words` does at serving time, so that model and text speak of the same words.
The same corpus and parameters give the same bytes.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.decomposition import LatentDirichletAllocation
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from models.corpus_reader import read_corpus
from models.errors import ArtifactError, CorpusError
from models.language.pipelines import NoPipelineError, pipeline, tokenize
from models.params import Params
from models.serving import Lessons
from models.TopicalPageRank.lda import count_columns, counted_words
from models.TopicalPageRank.model_file import write_lda
from models.TopicalPageRank.params import parse_params
from models.TopicalPageRank.ranking import normaliser

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from models.serving import Material, Progress

log = logging.getLogger(__name__)

COLUMN = "title"
SEED = 0


def train(material: Material, output_dir: Path, progress: Progress) -> Lessons:
    """Write `TopicalPageRank-params.json` and `-model`. Raises CorpusError and ArtifactError."""
    corpus, params = material.corpus, material.params
    raw = Params("TopicalPageRank-params.json", params)
    checked = parse_params(raw)
    n_topics = raw.whole_number("n_topics", maximum=10_000)
    try:
        nlp = pipeline(checked.language, checked.spacy_pipeline)
    except NoPipelineError as error:
        raise ArtifactError(raw.file, str(error)) from error
    read = read_corpus(corpus, COLUMN)
    if read.skipped_rows:
        log.warning("%s: %d rows have no %s", corpus.name, read.skipped_rows, COLUMN)
    normalise = normaliser(checked)
    documents: list[list[str]] = []
    with progress(len(read.texts), "title", "TopicalPageRank: reading") as bar:
        for tokens in tokenize(nlp, read.texts):
            documents.append(counted_words(normalise(token) for token in tokens))
            bar.update(1)
    words = sorted({word for document in documents for word in document} - checked.stop_words)
    if not words:
        raise CorpusError(corpus, f"has only stop words in column {COLUMN!r}")
    with progress(1, "model", "TopicalPageRank: topics") as bar:
        model = _fit(_count(documents, words), n_topics)
        bar.update(1)
    write_lda(
        output_dir / "TopicalPageRank-model",
        words,
        model.components_,
        model.exp_dirichlet_component_,
        model.doc_topic_prior_,
    )
    (output_dir / raw.file).write_text(
        json.dumps(dict(params), ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
    )
    return Lessons(
        {
            "rows": len(read.texts),
            "skipped_rows": read.skipped_rows,
            "vocabulary_words": len(words),
        }
    )


def _count(documents: Sequence[Sequence[str]], words: Sequence[str]) -> csr_matrix:
    """How often each of `words` is in each document. *Shape*: (documents, words)."""
    column = {word: index for index, word in enumerate(words)}
    rows = [count_columns(document, column) for document in documents]
    ends = np.cumsum([0, *(len(row) for row in rows)])
    columns = [index for row in rows for index in row]
    counts = [float(count) for row in rows for count in row.values()]
    return csr_matrix((counts, columns, ends), shape=(len(rows), len(words)))


def _fit(counts: csr_matrix, n_topics: int) -> LatentDirichletAllocation:
    model = LatentDirichletAllocation(
        n_components=n_topics, learning_method="batch", random_state=SEED
    )
    with threadpool_limits(1):  # the order of sums, and so their last digits, depends on threads
        return model.fit(counts)
