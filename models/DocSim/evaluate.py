"""Evaluating DocSim: ranking documents for queries, and telling pairs apart, by similarity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.evaluation.asking import ask
from models.evaluation.measures import RECALL_DEPTHS, pair_measures, retrieval_measures

if TYPE_CHECKING:
    from models.evaluation.sets import EvaluationSets, PairSet, RetrievalSet
    from models.serving import LoadedModel, Progress


def evaluate(
    model: LoadedModel, sets: EvaluationSets, progress: Progress
) -> dict[str, dict[str, float]]:
    """Measures of retrieval sets and of pairs, by name of the set."""
    found = {each.name: _of_retrieval(model, each, progress) for each in sets.retrieval}
    return found | {f"{each.name} pairs": _of_pairs(model, each) for each in sets.pairs}


def _of_retrieval(model: LoadedModel, given: RetrievalSet, progress: Progress) -> dict[str, float]:
    names = list(given.documents)
    texts = [document.text for document in given.documents.values()]
    rankings = {}
    with progress(len(given.queries), "query", f"DocSim: evaluating {given.name}") as bar:
        for name, query in given.queries.items():
            question = {"query": query, "documents": texts, "top_k": max(RECALL_DEPTHS)}
            matches = ask(model, question)["matches"]
            rankings[name] = [names[match["index"]] for match in matches]
            bar.update(1)
    return retrieval_measures(rankings, given.relevance)


def _of_pairs(model: LoadedModel, given: PairSet) -> dict[str, float]:
    scores = ask(model, {"pairs": [list(pair) for pair in given.pairs]})["similarities"]
    return pair_measures(scores, given.labels)
