"""Evaluating Category: how many queries of a retrieval set get the category of their document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.evaluation.asking import ask
from models.evaluation.measures import mean

if TYPE_CHECKING:
    from models.evaluation.sets import EvaluationSets, RetrievalSet
    from models.serving import LoadedModel, Progress


def evaluate(
    model: LoadedModel, sets: EvaluationSets, progress: Progress
) -> dict[str, dict[str, float]]:
    """Accuracy on each retrieval set whose documents have categories, by name of the set."""
    return {
        each.name: _of_retrieval(model, each, progress)
        for each in sets.retrieval
        if each.documents and all(document.category for document in each.documents.values())
    }


def _of_retrieval(model: LoadedModel, given: RetrievalSet, progress: Progress) -> dict[str, float]:
    right = []
    with progress(len(given.queries), "query", f"Category: evaluating {given.name}") as bar:
        for name, query in given.queries.items():
            wanted = {given.documents[each].category for each in given.relevance[name]}
            found = ask(model, {"text": query, "max_count": 1})["categories"]
            right.append(float(bool(found) and found[0]["category"] in wanted))
            bar.update(1)
    return {"accuracy": mean(right)}
