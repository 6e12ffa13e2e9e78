"""Training: relevance learnt from the corpus itself, by terms and, with an encoder, by meaning.

Takes claims out of documents (`trials`), makes an index of what is left, and lets `calibration`
learn from what is found in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from models.Search.building import assemble, build, no_cells
from models.Search.calibration import learn, look, report
from models.Search.gathering import count
from models.Search.meaning import Meaning
from models.Search.ranking import Ranker
from models.Search.relevance import TYPICAL, Relevance
from models.Search.trials import choose_trials, foreign_claims
from models.word_counts import WordCounts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from models.Search.building import Recipe
    from models.Search.corpus import Document
    from models.Search.embedding import DocumentEncoder
    from models.Search.index_file import Index
    from models.Search.params import SearchParams
    from models.Search.trials import Trial
    from models.serving import Progress

MOST_DOCUMENTS = 20_000
"""The trials are held in an index of at most so many documents, the first ones of the corpus."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """The vectors of all documents, with what made them."""

    encoder: DocumentEncoder
    of_documents: Sequence[NDArray[np.float32]]


def learn_relevance(
    documents: Iterable[Document],
    recipe: Recipe,
    params: SearchParams,
    embedded: Embedded | None,
    progress: Progress,
) -> tuple[Relevance, dict[str, object]]:
    """The coefficients, and what the report says of them."""
    first = list(islice(documents, MOST_DOCUMENTS))
    trials = choose_trials(first, recipe.analyser)
    index = _index_without(first, trials, recipe)
    if index is None:
        return TYPICAL, {"trials": 0}
    foreign = foreign_claims(params.language)
    rankers = {"by_terms": Ranker(index, recipe.analyser, params.weights)}
    if embedded is not None:
        vectors = embedded.encoder.without(embedded.of_documents[: len(first)], trials)
        meaning = Meaning(embedded.encoder.pack(vectors), embedded.encoder.encoder)
        rankers["by_meaning"] = Ranker(
            index, recipe.analyser, params.weights, meaning, always_encodes=True
        )
    learnt = {"by_terms": TYPICAL.by_terms, "by_meaning": TYPICAL.by_meaning}
    told: dict[str, object] = {}
    for name, ranker in rankers.items():
        steps = len(trials) + len(foreign)
        with progress(steps, "claim", f"Search: relevance {name.replace('_', ' ')}") as bar:
            seen = look(ranker, trials.values(), foreign, bar)
        learnt[name] = learn(seen, learnt[name])
        told = {"trials": len(trials), "evidence": name, **report(seen, learnt[name])}
    return Relevance(**learnt), told


def _index_without(
    documents: Sequence[Document], trials: Mapping[int, Trial], recipe: Recipe
) -> Index | None:
    """The index of documents without the claims that were taken out; None if no word is left."""
    counted = WordCounts(np.float32)
    for row, document in enumerate(documents):
        left = trials.get(row, document)
        count(counted, left.title, left.text, recipe.bm25.title_weight)
    postings, vectors = build(counted, recipe)
    if not postings.n_words:
        return None
    return assemble(no_cells(len(documents)), postings, vectors)
