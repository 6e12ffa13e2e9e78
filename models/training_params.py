"""What all trainers do with parameters: read seed and workers, warn of typos, write them down.

Each family reads its own parameters itself.
"""

from __future__ import annotations

import difflib
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from models.corpus_reader import Corpus
    from models.params import Params

log = logging.getLogger(__name__)

SHARED_KEYS = frozenset(
    {"model_name", "train_df", "language", "stop_words", "extra_stop_words", "learn_stop_words",
     "max_chars", "seed", "workers", "separator", "encoding", "id_column", "title_column",
     "text_column"}
)  # fmt: skip
MAX_SEED = 2**32 - 1
MAX_WORKERS = 256
_ALIKE = 0.75


@dataclass(frozen=True, slots=True)
class Effort:
    """The seed of training and its number of workers."""

    seed: int
    workers: int


def read_effort(params: Params, default_seed: int) -> Effort:
    """`seed`, and `workers` (one unless more are asked for). Raises ArtifactError."""
    return Effort(
        seed=params.whole_number("seed", default_seed, minimum=0, maximum=MAX_SEED),
        workers=params.whole_number("workers", 1, maximum=MAX_WORKERS),
    )


def probable_typos(given: Iterable[str], known: Collection[str]) -> Iterator[tuple[str, str]]:
    """Unknown keys that are much like a known one, each with that; rather with one not given."""
    keys = list(given)
    free = sorted(set(known) - set(keys))
    for key in keys:
        if key not in known:
            like = difflib.get_close_matches(key, free, 1, _ALIKE)
            if like := like or difflib.get_close_matches(key, sorted(known), 1, _ALIKE):
                yield key, like[0]


def warn_of_typos(params: Params, known: Collection[str]) -> None:
    """Log a warning for each key that is probably misspelt; it is kept as it is."""
    for key, meant in probable_typos(params.values, SHARED_KEYS | frozenset(known)):
        log.warning("%s: nothing is known of %r; is %r meant?", params.file, key, meant)


def warn_of_rows(corpus: Corpus) -> None:
    """Log how many rows have no text, or a text that says nothing."""
    name, column = corpus.texts.path.name, corpus.texts.column
    if corpus.skipped_rows:
        log.warning("%s: %d rows have no %s", name, corpus.skipped_rows, column)
    if corpus.rows_without_words:
        log.warning(
            "%s: %d rows have only NaN, None or null as their %s",
            name, corpus.rows_without_words, column,
        )  # fmt: skip


def write_params(folder: Path, params: Params, stop_words: Collection[str]) -> None:
    """Write the artifact's parameters: those given, and the stop words that were used in full."""
    values: Mapping[str, object] = {**params.values, "stop_words": sorted(stop_words)}
    text = json.dumps(values, ensure_ascii=False, indent=2)
    (folder / params.file).write_text(text + "\n", encoding="utf-8")


def share(part: int, whole: int) -> float:
    """`part` of `whole`, to four places; 1 where there is nothing to cover."""
    return round(int(part) / int(whole), 4) if whole else 1.0
