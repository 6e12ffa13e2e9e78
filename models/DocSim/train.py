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
from models.DocSim.params import DEFAULT_MAX_TOKEN_CHARS, parse_params
from models.DocSim.related_texts import similarity_facts
from models.DocSim.texts import TextReader
from models.DocSim.vectors import WordVectors
from models.DocSim.words import words_of
from models.errors import CorpusError
from models.language.stop_words import learn_stop_words
from models.params import Params
from models.serving import Lessons
from models.training_params import read_effort, share, warn_of_typos, write_params

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from models.corpus_reader import Texts
    from models.serving import Material, Progress, ProgressBar
    from models.training_params import Effort

log = logging.getLogger(__name__)

COLUMN, TITLE_COLUMN = "claim_text", "title"
SEED = 1
KEYS = ("vector_size", "min_count", "epochs", "max_token_length", "compat", "documents",
        "documents_uri", "document_fields", "taxonomy_uri", "tags_uri")  # fmt: skip
"""The parameters of this family."""


def train(material: Material, output_dir: Path, progress: Progress) -> Lessons:
    """Write `DocSim-params.json` and `DocSim-model`. Raises CorpusError and ArtifactError."""
    # Written down even if it is the default: an artifact without it is taken for an older one,
    # which leaves out words of more than 15 letters.
    params = {"max_token_length": DEFAULT_MAX_TOKEN_CHARS, **material.params}
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
    corpus = read_corpus(material.corpus, COLUMN, progress, "DocSim: checking the corpus")
    if corpus.skipped_rows:
        log.warning("%s: %d rows have no %s", material.corpus.name, corpus.skipped_rows, COLUMN)
    documents, held = _read(corpus.texts, checked.max_token_chars, progress)
    curve = LearningCurve(documents, checked.stop_words, effort.seed)
    _fit(model, documents, material.corpus, progress, curve)
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


def _fit(
    model: Doc2Vec,
    documents: list[TaggedDocument],
    corpus: Path,
    progress: Progress,
    curve: LearningCurve,
) -> None:
    with progress(len(documents), "text", "DocSim: vocabulary") as bar:
        model.build_vocab(_counted(documents, bar))
    if not len(model.wv):
        raise CorpusError(corpus, f"has no word {model.min_count} times in column {COLUMN!r}")
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
    texts: Texts, max_token_chars: int, progress: Progress
) -> tuple[list[TaggedDocument], Counter[str]]:
    """The words of each text, every different word held once; and how many texts hold it."""
    documents, held, same = [], Counter[str](), dict[str, str]()
    with progress(len(texts), "text", "DocSim: splitting texts") as bar:
        for number, text in enumerate(texts):
            words = [same.setdefault(word, word) for word in words_of(text, max_token_chars)]
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
