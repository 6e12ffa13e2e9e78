"""Evaluating Search: ranking the documents of an index for the queries of a set made of them.

A set is evaluated only if the index holds exactly its documents, by their ids: ranks among other
documents would be those of another task.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from models.evaluation.asking import ask
from models.evaluation.measures import RECALL_DEPTHS, retrieval_measures

if TYPE_CHECKING:
    from models.evaluation.sets import EvaluationSets, RetrievalSet
    from models.Search.model import SearchModel
    from models.serving import LoadedModel, Progress


def evaluate(
    model: LoadedModel, sets: EvaluationSets, progress: Progress
) -> dict[str, dict[str, float]]:
    """Measures of retrieval sets, by name of the set."""
    ids = set(cast("SearchModel", model).ids())
    return {
        each.name: _of_retrieval(model, each, progress)
        for each in sets.retrieval
        if each.documents.keys() == ids
    }


def _of_retrieval(model: LoadedModel, given: RetrievalSet, progress: Progress) -> dict[str, float]:
    rankings = {}
    with progress(len(given.queries), "query", f"Search: evaluating {given.name}") as bar:
        for name, query in given.queries.items():
            answer = ask(model, {"claim": query, "top_k": max(RECALL_DEPTHS)})
            rankings[name] = [match["id"] for match in answer["matches"]]
            bar.update(1)
    return retrieval_measures(rankings, given.relevance)
