"""Evaluating Search: ranking the documents of an index for the queries of a set made of them.

A set with documents is evaluated only if the index holds exactly these, by their ids: ranks among
other documents would be those of another task. A set without asks of whatever the index holds.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from models.evaluation.asking import ask
from models.evaluation.retrieval import DEPTH, retrieved

if TYPE_CHECKING:
    from models.evaluation.results import Evaluated
    from models.evaluation.sets import EvaluationSets, RetrievalSet
    from models.serving import LoadedModel, Progress

log = logging.getLogger(__name__)


def evaluate(model: LoadedModel, sets: EvaluationSets, progress: Progress) -> dict[str, Evaluated]:
    """Measures of retrieval sets, by name of the set."""
    known = _ids(model)
    found = {}
    for each in sets.retrieval:
        if each.documents and known is not None and each.documents.keys() != known:
            continue
        if known is not None:
            _warn(each, known)
        found[each.name] = _of_retrieval(model, each, progress)
    return found


def _ids(model: LoadedModel) -> set[str] | None:
    """The ids of the index; None where the model is in another process, which does not tell."""
    ids = getattr(model, "ids", None)
    return None if ids is None else set(ids())


def _warn(given: RetrievalSet, known: set[str]) -> None:
    wanted = {document for grades in given.relevance.values() for document in grades}
    if missing := sorted(wanted - known):
        log.warning("%s: %d of its %d documents are not in the index, %s for one",
                    given.name, len(missing), len(wanted), missing[0])  # fmt: skip


def _of_retrieval(model: LoadedModel, given: RetrievalSet, progress: Progress) -> Evaluated:
    matches = {}
    with progress(len(given.queries), "query", f"Search: evaluating {given.name}") as bar:
        for name, query in given.queries.items():
            matches[name] = ask(model, {"claim": query, "top_k": DEPTH})["matches"]
            bar.update(1)
    return retrieved(given, matches)
