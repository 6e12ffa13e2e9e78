"""Training Category: rarity of words and the mean direction of each category.

Reads the corpus twice, row by row, and never holds it. The same corpus and parameters give the same
bytes: nothing is drawn by chance, and categories come in the order of their names.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from models.Category.centroids import (
    BUCKETS,
    MAX_CATEGORIES,
    MAX_NAME_CHARS,
    Centroids,
    WordReader,
    write_centroids,
)
from models.corpus_reader import read_table
from models.errors import CorpusError, shorten
from models.params import Params
from models.serving import Lessons
from models.training_params import warn_of_typos, write_params

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator
    from pathlib import Path

    from models.serving import Material, Progress

log = logging.getLogger(__name__)


def train(material: Material, output_dir: Path, progress: Progress) -> Lessons:
    """Write `Category-params.json` and `Category-model`. Raises CorpusError and ArtifactError."""
    params = Params("Category-params.json", material.params)
    reader = WordReader(params)
    warn_of_typos(params, ("max_count",))
    held, rows, skipped = np.zeros(BUCKETS), 0, 0
    names: dict[str, int] = {}
    with progress(2, "pass", "Category: reading the corpus twice") as bar:
        for category, buckets in _texts(material.corpus, reader):
            if not (category and buckets):
                skipped += 1
                continue
            rows += 1
            names[category] = names.get(category, 0) + 1
            held[list(buckets)] += 1
        bar.update(1)
        _check(material.corpus, names)
        rarity = np.where(held > 0, np.log((1 + rows) / (1 + held)) + 1, 0).astype(np.float32)
        categories = tuple(sorted(names))
        sums = np.zeros((len(categories), BUCKETS))
        place = {name: row for row, name in enumerate(categories)}
        for category, buckets in _texts(material.corpus, reader):
            if category and buckets:
                columns = list(buckets)
                weights = np.log1p(list(buckets.values())) * rarity[columns]
                sums[place[category], columns] += weights / np.linalg.norm(weights)
        bar.update(1)
    directions = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    made = Centroids(categories, rarity, directions.astype(np.float32))
    write_centroids(output_dir / "Category-model", made)
    write_params(output_dir, params, reader.stop_words)
    return Lessons({"rows": rows, "skipped_rows": skipped, "categories": names})


def _texts(corpus: Path, reader: WordReader) -> Iterator[tuple[str, Counter[int]]]:
    """The category and the words of each row."""
    for _, (claim, category, title) in read_table(corpus, ("claim_text", "category"), ("title",)):
        yield category.strip(), reader.buckets(f"{title} {claim}")


def _check(corpus: Path, names: dict[str, int]) -> None:
    if len(names) < 2:  # noqa: PLR2004 - nothing to choose from
        raise CorpusError(corpus, f"has {len(names)} categories with texts; at least 2 are needed")
    if len(names) > MAX_CATEGORIES:
        raise CorpusError(corpus, f"has {len(names)} categories; at most {MAX_CATEGORIES} work")
    if long := [name for name in names if len(name) > MAX_NAME_CHARS]:
        raise CorpusError(
            corpus, f"has a category of {len(long[0])} characters: {shorten(long[0])}"
        )
