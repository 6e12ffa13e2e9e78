"""Misses: what evaluation asked, what was expected, and what was found in its place.

A report has them by set, or in one list in which each names its set. What is expected and found are
documents, keyphrases or, of pairs, labels and scores: whichever of their members are there is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mme.training.page.markup import folded, table
from mme.training.page.values import entries, in_figures, items, member, number, plural, text

if TYPE_CHECKING:
    from collections.abc import Mapping

SETS, MISSES, THINGS = 30, 20, 5
"""So many sets, questions of each, and things expected or found of each are shown."""


def misses(report: object) -> str:
    """A folded table for each set."""
    by_set = items(member(report, "misses")) or _gathered(entries(member(report, "misses")))
    return "\n".join(_of_set(name, entries(missed)) for name, missed in by_set[:SETS])


def _gathered(missed: object) -> list[tuple[str, object]]:
    found: dict[str, list[object]] = {}
    for miss in entries(missed):
        found.setdefault(text(member(miss, "set"), 60), []).append(miss)
    return list(found.items())


def _of_set(name: str, missed: object) -> str:
    told = [miss for miss in entries(missed) if items(miss)]
    rows = [
        (
            text(member(miss, "text") or member(miss, "query"), 300),
            _things(miss, "expected") or "nothing",
            _things(miss, "found") or "nothing",
        )
        for miss in told[:MISSES]
    ]
    summary = f"{plural(len(told), 'answer')} on {text(name, 60)} not as expected"
    if len(told) > MISSES:
        summary += f", the first {MISSES} of them"
    return folded(summary, table(("asked", "expected", "found"), rows))


def _things(miss: object, key: str) -> str:
    things = [dict(items(thing)) for thing in entries(member(miss, key))[:THINGS]]
    rank = {"rank": member(miss, "rank")} if member(miss, "rank") and len(things) == 1 else {}
    is_expected = key == "expected"
    told = (_thing({**rank, **thing} if is_expected else thing, is_expected) for thing in things)
    return "; ".join(filter(None, told))


def _thing(thing: Mapping[str, object], is_expected: bool) -> str:
    if "label" in thing:
        return "together" if number(thing["label"]) else "apart"
    name = text(thing.get("phrase") or thing.get("title"), 120)
    identity = text(thing.get("id"), 60)
    details = [identity] if identity else []
    score = number(thing.get("relevance", thing.get("score")))
    if score is not None:
        details.append(in_figures(score, 3))
    if is_expected and "rank" in thing:
        rank = number(thing["rank"])
        details.append("not found" if rank is None else f"at rank {in_figures(rank)}")
    if not name:
        return ", ".join(details)
    return f"{name} ({', '.join(details)})" if details else name
