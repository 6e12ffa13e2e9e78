"""Evaluating DocSim: ranking documents for queries, and telling pairs apart, by similarity.

A set without documents asks of those the artifact holds, if it holds any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from models.evaluation.asking import ask
from models.evaluation.measures import pair_measures, pair_qualities
from models.evaluation.results import Answered, Evaluated
from models.evaluation.retrieval import DEPTH, retrieved

if TYPE_CHECKING:
    from models.evaluation.sets import EvaluationSets, PairSet, RetrievalSet
    from models.serving import LoadedModel, Progress


def evaluate(model: LoadedModel, sets: EvaluationSets, progress: Progress) -> dict[str, Evaluated]:
    """Measures of retrieval sets and of pairs, by name of the set."""
    has_own = model.describe().get("documents", 0) != 0
    found = {
        each.name: _of_retrieval(model, each, progress)
        for each in sets.retrieval
        if each.documents or has_own
    }
    return found | {f"{each.name} pairs": _of_pairs(model, each) for each in sets.pairs}


def _of_retrieval(model: LoadedModel, given: RetrievalSet, progress: Progress) -> Evaluated:
    names = list(given.documents)
    texts = [document.text for document in given.documents.values()]
    sent = {"documents": texts} if texts else {}
    matches: dict[str, list[dict[str, Any]]] = {}
    with progress(len(given.queries), "query", f"DocSim: evaluating {given.name}") as bar:
        for name, query in given.queries.items():
            question = {"query": query, **sent, "top_k": DEPTH}
            matches[name] = [
                {**match, "id": names[match["index"]] if texts else _id(match)}
                for match in ask(model, question)["matches"]
            ]
            bar.update(1)
    return retrieved(given, matches)


def _id(match: dict[str, Any]) -> str:
    """The id of one of the artifact's documents, as sets call it, or its row."""
    fields = match.get("document", {})
    return str(match.get("id", fields.get("doc_id", match["index"])))


def _of_pairs(model: LoadedModel, given: PairSet) -> Evaluated:
    scores = ask(model, {"pairs": [list(pair) for pair in given.pairs]})["similarities"]
    qualities = pair_qualities(scores, given.labels)
    answered = tuple(
        Answered(str(number), f"{one} | {other}", [{"label": int(label)}], [{"score": score}], q)
        for number, ((one, other), label, score, q) in enumerate(
            zip(given.pairs, given.labels, scores, qualities, strict=True), 1
        )
    )
    return Evaluated(pair_measures(scores, given.labels), answered)
