"""Training DocSim: word vectors from the texts of a corpus, by gensim's Doc2Vec.

The same corpus and parameters give the same bytes: a fixed seed, and nothing of the time or the
process in the files. gensim can promise that with one worker only. With more, chance decides the
order in which they learn; the log and the report say so.
"""

from __future__ import annotations

import logging
import zlib
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from gensim.models.callbacks import CallbackAny2Vec
from gensim.models.doc2vec import Doc2Vec, TaggedDocument
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from models.corpus_reader import read_corpus
from models.DocSim.extras import add_extras, check_extras
from models.DocSim.learning import LearningCurve
from models.DocSim.nearest_words import nearest_words
from models.DocSim.params import DEFAULT_MAX_TOKEN_CHARS, TEXT_COLUMN, parse_params
from models.DocSim.prepare import ADVICE
from models.DocSim.related_texts import similarity_facts
from models.DocSim.texts import TextReader
from models.DocSim.vectors import WordVectors
from models.DocSim.words import words_of
from models.errors import CorpusError
from models.language.stop_words import learn_stop_words
from models.params import Params
from models.serving import Lessons
from models.tables import told_by
from models.text import clean
from models.training_params import (
    read_effort,
    share,
    warn_of_rows,
    warn_of_typos,
    write_params,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from models.corpus_reader import Corpus, Texts
    from models.DocSim.params import DocSimParams
    from models.serving import Material, Progress, ProgressBar
    from models.training_params import Effort

log = logging.getLogger(__name__)

TITLE_COLUMN = "title"
SEED = 1
KEYS = ("vector_size", "min_count", "epochs", "max_token_length", "clean_texts", "compat",
        "documents", "documents_uri", "document_fields", "taxonomy_uri", "tags_uri")  # fmt: skip
"""The parameters of this family."""


def train(material: Material, output_dir: Path, progress: Progress) -> Lessons:
    """Write `DocSim-params.json` and `DocSim-model`. Raises CorpusError and ArtifactError."""
    # Written down even if they are the defaults: an artifact without them is taken for an older
    # one, which leaves out words of more than 15 letters, and cleans nothing.
    params = {
        "max_token_length": DEFAULT_MAX_TOKEN_CHARS,
        "clean_texts": True,
        **material.params,
    }
    raw = Params("DocSim-params.json", params)
    checked = parse_params(raw)
    effort = read_effort(raw, SEED)
    model = _untrained(raw, effort)
    # Faulty parameters and files should not wait for the corpus, or for an hour of training.
    learn_stop_words(raw, (), 0)
    check_extras(material, raw)
    warn_of_typos(raw, KEYS)
    if effort.workers > 1:
        log.warning("DocSim: with %d workers no two trainings are the same", effort.workers)
    corpus = _check(material, raw, progress)
    documents, held = _read(corpus.texts, checked, progress)
    curve = LearningCurve(documents, checked.stop_words, effort.seed)
    _fit(model, documents, corpus.texts, progress, curve)
    vectors = model.wv
    vectors.lifecycle_events = None  # would hold times and versions
    vectors.save(str(output_dir / "DocSim-model"))
    learnt = learn_stop_words(raw, held.items(), len(documents)) - checked.stop_words
    checked = replace(checked, stop_words=checked.stop_words | learnt)
    write_params(output_dir, raw, checked.stop_words)
    words = WordVectors(vectors.key_to_index, vectors.vectors)
    extras = add_extras(material, raw, checked, words, output_dir)
    facts = {
        "rows": len(documents),
        "skipped_rows": corpus.skipped_rows,
        "rows_without_words": corpus.rows_without_words,
        "read_as": str(corpus.texts.form),
        "stop_words": sorted(checked.stop_words),
        "learnt_stop_words": sorted(learnt),
    }
    facts |= _facts(model, len(held), effort) | dict(extras.facts)
    titles = raw.text("title_column", TITLE_COLUMN)
    reader = TextReader(checked, words)
    facts["learning"] = curve.facts()
    facts["similarities"] = similarity_facts(corpus, titles, reader, effort.seed)
    facts["nearest_words"] = nearest_words(vectors, checked.stop_words)
    return Lessons(facts, extras.reports)


def _check(material: Material, raw: Params, progress: Progress) -> Corpus:
    """The texts of a corpus that is sound."""
    corpus = read_corpus(
        material.corpus,
        raw.text("text_column", TEXT_COLUMN),
        progress,
        "DocSim: checking the corpus",
        told=told_by(raw),
        advice=ADVICE,
    )
    warn_of_rows(corpus)
    return corpus


def _fit(
    model: Doc2Vec,
    documents: list[TaggedDocument],
    texts: Texts,
    progress: Progress,
    curve: LearningCurve,
) -> None:
    with progress(len(documents), "text", "DocSim: vocabulary") as bar:
        model.build_vocab(_counted(documents, bar))
    if not len(model.wv):
        raise CorpusError(
            texts.path, f"has no word {model.min_count} times in column {texts.column!r}"
        )
    with progress(model.epochs, "epoch", "DocSim: training") as bar, threadpool_limits(1):
        model.train(
            documents,
            total_examples=model.corpus_count,
            epochs=model.epochs,
            callbacks=[_EpochBar(bar), curve],
        )


def _untrained(raw: Params, effort: Effort) -> Doc2Vec:
    return Doc2Vec(
        vector_size=raw.whole_number("vector_size", maximum=10_000),
        min_count=raw.whole_number("min_count"),
        epochs=raw.whole_number("epochs", maximum=100_000),
        seed=effort.seed,
        workers=effort.workers,
        hashfxn=_stable_hash,
    )


def _facts(model: Doc2Vec, n_types: int, effort: Effort) -> dict[str, object]:
    vectors = model.wv
    known = sum(vectors.get_vecattr(word, "count") for word in vectors.key_to_index)
    return {
        "vocabulary_words": len(vectors),
        "dimensions": model.vector_size,
        "coverage": {
            "tokens": share(known, model.corpus_total_words),
            "types": share(len(vectors), n_types),
        },
        "seed": effort.seed,
        "workers": effort.workers,
        "reproducible": "to the byte" if effort.workers == 1 else "no: several workers",
    }


def _read(
    texts: Texts, params: DocSimParams, progress: Progress
) -> tuple[list[TaggedDocument], Counter[str]]:
    """The words of each text, every different word held once; and how many texts hold it."""
    documents, held, same = [], Counter[str](), dict[str, str]()
    with progress(len(texts), "text", "DocSim: splitting texts") as bar:
        for number, text in enumerate(texts):
            cleaned = clean(text) if params.cleans else text
            found = words_of(cleaned, params.max_token_chars)
            words = [same.setdefault(word, word) for word in found]
            held.update(set(words))
            documents.append(TaggedDocument(words, [number]))
            bar.update(1)
    return documents, held


def _counted(documents: list[TaggedDocument], bar: ProgressBar) -> Iterator[TaggedDocument]:
    for document in documents:
        yield document
        bar.update(1)


class _EpochBar(CallbackAny2Vec):  # type: ignore[misc] # the base is untyped
    """Counts epochs on a progress bar."""

    def __init__(self, bar: ProgressBar) -> None:
        self._bar = bar

    def on_epoch_end(self, model: Doc2Vec) -> None:  # noqa: ARG002 - gensim passes it
        self._bar.update(1)


def _stable_hash(word: str) -> int:
    # Python's own differs from process to process.
    return zlib.crc32(word.encode())
