"""Evaluating TopicalPageRank: its keyphrases compared with those that people gave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.evaluation.asking import ask
from models.evaluation.measures import keyphrase_f, mean
from models.evaluation.results import SHOWN_FOUND, Answered, Evaluated
from models.language.stemming import LANGUAGES, stemmer

if TYPE_CHECKING:
    from models.evaluation.sets import EvaluationSets, KeyphraseSet
    from models.serving import LoadedModel, Progress

DEPTHS = (5, 10)
ASKED_FOR = 50
"""More than the deepest measure needs, since phrases of the same stems count once."""


def evaluate(model: LoadedModel, sets: EvaluationSets, progress: Progress) -> dict[str, Evaluated]:
    """F@5 and F@10 of keyphrases, by name of the set."""
    return {f"keyphrases {each.name}": _of(model, each, progress) for each in sets.keyphrases}


def _of(model: LoadedModel, given: KeyphraseSet, progress: Progress) -> Evaluated:
    """The mean over all texts of a set; a text is its title and its body.

    Phrases are compared by stems of the model's language, or in lower case if it has no stemmer.
    """
    language = str(model.describe().get("language", ""))
    stem = stemmer(language) if language in LANGUAGES else str.lower
    scores: dict[int, list[float]] = {depth: [] for depth in DEPTHS}
    answered = []
    with progress(len(given.texts), "text", f"TopicalPageRank: evaluating {given.name}") as bar:
        for each in given.texts:
            text = "\n".join(part for part in (each.title, each.text) if part.strip())
            answer = ask(model, {"text": text, "max_count": ASKED_FOR})
            phrases = [found["phrase"] for found in answer["keyphrases"]]
            for depth, values in scores.items():
                values.append(keyphrase_f(phrases, each.keyphrases, depth, stem))
            answered.append(
                Answered(
                    each.id,
                    each.title or each.text,
                    [{"phrase": phrase} for phrase in each.keyphrases],
                    answer["keyphrases"][:SHOWN_FOUND],
                    scores[max(DEPTHS)][-1],
                )
            )
            bar.update(1)
    return Evaluated({f"f@{depth}": mean(each) for depth, each in scores.items()}, answered)
