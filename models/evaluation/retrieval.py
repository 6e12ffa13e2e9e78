"""What the answers to a retrieval set come to: measures, and each query with its documents.

Queries without a relevant document, where a set has such, are left out of the measures of rankings.
How well the best match tells them from the others is one more: `known_roc_auc`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from models.evaluation.measures import (
    RECALL_DEPTHS,
    reciprocal_rank,
    retrieval_measures,
    roc_auc,
    with_interval,
)
from models.evaluation.results import SHOWN_FOUND, Answered, Evaluated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from models.evaluation.sets import RetrievalSet

    Matches = Sequence[Mapping[str, Any]]

DEPTH = max(RECALL_DEPTHS)
SHOWN_TITLE_CHARS = 120
TITLE = "tit"
"""In the names of columns with titles: title, Titel, titre, titolo."""


def retrieved(given: RetrievalSet, matches: Mapping[str, Matches]) -> Evaluated:
    """From each query's matches, best first, which have an `id`, a `score`, perhaps a `relevance`.

    What else a match has, or has as its `document`, are the document's fields.
    """
    # Several documents may share an id: the best of them counts.
    matches = {name: _once_each(found) for name, found in matches.items()}
    rankings = {name: [str(match["id"]) for match in found] for name, found in matches.items()}
    judged = {name: grades for name, grades in given.relevance.items() if grades}
    measures = with_interval(retrieval_measures(rankings, judged), rankings, judged)
    if len(judged) < len(given.queries):
        best = [_sureness(matches[name]) for name in given.queries]
        measures["known_roc_auc"] = roc_auc(best, [name in judged for name in given.queries])
    titles = {name: each.title or each.text for name, each in given.documents.items()}
    answered = []
    for name, text in given.queries.items():
        grades, found = given.relevance[name], matches[name]
        # A score does not say whether a match is one; a relevance does.
        quality = (
            reciprocal_rank(rankings[name], grades, DEPTH)
            if grades
            else 1 - (float(found[0].get("relevance", 0)) if found else 0)
        )
        expected = _expected(grades, rankings[name], found, titles)
        answered.append(Answered(name, text, expected, _found(found, titles), quality))
    return Evaluated(measures, answered)


def _once_each(found: Matches) -> Matches:
    return [*{str(match["id"]): match for match in reversed(found)}.values()][::-1]


def _sureness(matches: Matches) -> float:
    """How sure the model is of its best match; 0 if it has none."""
    return float(matches[0].get("relevance", matches[0]["score"])) if matches else 0.0


def _expected(
    wanted: Mapping[str, float], ranking: Sequence[str], found: Matches, titles: Mapping[str, str]
) -> list[dict[str, object]]:
    ranks = {each: rank for rank, each in reversed([*enumerate(ranking, 1)])}
    shown: list[dict[str, object]] = []
    for each in wanted:
        rank = ranks.get(each)
        title = titles.get(each, "") if rank is None else _title(found[rank - 1], titles)
        shown.append({"id": each, "rank": rank, "title": title[:SHOWN_TITLE_CHARS]})
    return shown


def _found(matches: Matches, titles: Mapping[str, str]) -> list[dict[str, object]]:
    return [
        {
            "rank": rank,
            "id": str(match["id"]),
            "title": _title(match, titles),
            **{key: match[key] for key in ("score", "relevance") if key in match},
        }
        for rank, match in enumerate(matches[:SHOWN_FOUND], 1)
    ]


def _title(match: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    """What to call a document: its title, else the beginning of its first text that is no id."""
    if title := titles.get(str(match["id"])):
        return title[:SHOWN_TITLE_CHARS]
    fields = match["document"] if isinstance(match.get("document"), dict) else match
    texts = {key: value for key, value in fields.items() if isinstance(value, str) and value}
    texts.pop("id", None)
    named = next((value for key, value in texts.items() if TITLE in key.lower()), None)
    return (named or next(iter(texts.values()), ""))[:SHOWN_TITLE_CHARS]
