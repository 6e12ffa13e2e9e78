"""Evaluating Category: how many queries of a retrieval set get the category of their document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.evaluation.asking import ask
from models.evaluation.measures import mean
from models.evaluation.results import Answered, Evaluated

if TYPE_CHECKING:
    from models.evaluation.sets import EvaluationSets, RetrievalSet
    from models.serving import LoadedModel, Progress


def evaluate(model: LoadedModel, sets: EvaluationSets, progress: Progress) -> dict[str, Evaluated]:
    """Accuracy on each retrieval set whose documents have categories, by name of the set."""
    return {
        each.name: _of_retrieval(model, each, progress)
        for each in sets.retrieval
        if each.documents and all(document.category for document in each.documents.values())
    }


def _of_retrieval(model: LoadedModel, given: RetrievalSet, progress: Progress) -> Evaluated:
    """Queries without a document have no category to find and are left out."""
    answered = []
    with progress(len(given.queries), "query", f"Category: evaluating {given.name}") as bar:
        for name, query in given.queries.items():
            wanted = sorted({given.documents[each].category for each in given.relevance[name]})
            if wanted:
                found = ask(model, {"text": query})["categories"]
                is_right = bool(found) and found[0]["category"] in wanted
                expected = [{"category": category} for category in wanted]
                answered.append(Answered(name, query, expected, found, float(is_right)))
            bar.update(1)
    return Evaluated({"accuracy": mean(each.quality for each in answered)}, answered)
