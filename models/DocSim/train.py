"""Training DocSim: word vectors from the texts of a corpus, by gensim's Doc2Vec.

The same corpus and parameters give the same bytes: one thread, a fixed seed, and nothing of the
time or the process in the files.
"""

from __future__ import annotations

import json
import logging
import zlib
from typing import TYPE_CHECKING

from gensim.models.callbacks import CallbackAny2Vec
from gensim.models.doc2vec import Doc2Vec, TaggedDocument
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from models.corpus_reader import read_corpus
from models.DocSim.extras import add_extras
from models.DocSim.params import DEFAULT_MAX_TOKEN_CHARS, parse_params
from models.DocSim.vectors import WordVectors
from models.DocSim.words import words_of
from models.errors import CorpusError
from models.params import Params
from models.serving import Lessons

if TYPE_CHECKING:
    from pathlib import Path

    from models.serving import Material, Progress, ProgressBar

log = logging.getLogger(__name__)

COLUMN = "claim_text"
SEED = 1


def train(material: Material, output_dir: Path, progress: Progress) -> Lessons:
    """Write `DocSim-params.json` and `DocSim-model`. Raises CorpusError and ArtifactError."""
    corpus = material.corpus
    # Recorded, for an artifact without it is an old one, that drops words of over 15 letters.
    params = {**material.params}
    params.setdefault("max_token_length", DEFAULT_MAX_TOKEN_CHARS)
    raw = Params("DocSim-params.json", params)
    checked = parse_params(raw)
    vector_size = raw.whole_number("vector_size", maximum=10_000)
    min_count = raw.whole_number("min_count")
    epochs = raw.whole_number("epochs", maximum=100_000)
    read = read_corpus(corpus, COLUMN)
    if read.skipped_rows:
        log.warning("%s: %d rows have no %s", corpus.name, read.skipped_rows, COLUMN)
    documents = [
        TaggedDocument(words_of(text, checked.max_token_chars), [number])
        for number, text in enumerate(read.texts)
    ]
    model = Doc2Vec(
        vector_size=vector_size,
        min_count=min_count,
        epochs=epochs,
        seed=SEED,
        workers=1,
        hashfxn=_stable_hash,
    )
    model.build_vocab(documents)
    if not len(model.wv):
        raise CorpusError(corpus, f"has no word {min_count} times in column {COLUMN!r}")
    with progress(epochs, "epoch", "DocSim: training") as bar, threadpool_limits(1):
        model.train(
            documents,
            total_examples=model.corpus_count,
            epochs=epochs,
            callbacks=[_EpochBar(bar)],
        )
    vectors = model.wv
    vectors.lifecycle_events = None  # would hold times and versions
    vectors.save(str(output_dir / "DocSim-model"))
    (output_dir / raw.file).write_text(
        json.dumps(dict(params), ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
    )
    words = WordVectors(vectors.key_to_index, vectors.vectors)
    extras = add_extras(material, raw, checked, words, output_dir)
    facts = {
        "rows": len(read.texts),
        "skipped_rows": read.skipped_rows,
        "vocabulary_words": len(vectors),
    }
    return Lessons(facts | dict(extras.facts), extras.reports)


class _EpochBar(CallbackAny2Vec):  # type: ignore[misc] # the base is untyped
    """Moves a bar on at the end of each epoch."""

    def __init__(self, bar: ProgressBar) -> None:
        self._bar = bar

    def on_epoch_end(self, model: Doc2Vec) -> None:  # noqa: ARG002 - gensim passes it
        self._bar.update(1)


def _stable_hash(word: str) -> int:
    # Python's own differs from process to process.
    return zlib.crc32(word.encode())
