"""Evaluation: each set's measures as bars, with their intervals where they are known."""

from __future__ import annotations

from mme.training.page.markup import figure, folded, paragraph, table
from mme.training.page.values import in_figures, items, member, number, plural, text
from mme.training.plots.bars import Bar, bars

MAX_SETS = 30
LOW, HIGH = "_low", "_high"
MEANINGS = {
    "mrr@10": "one by the rank of the first right document, 0 if it is below rank 10; the mean",
    "ndcg@10": "how near the first 10 are to the best order; 1 is the best order",
    "recall@k": "the share of right documents among the first k",
    "average precision": "the area under precision over recall; 1 if all right pairs come first",
    "roc auc": "how often a right pair has the higher score than a wrong one; 0.5 is guessing",
    "known roc auc": "how often what has an answer gets a surer one than what has none",
    "f@k": "how well the first k keyphrases agree with those people chose; 1 if they are the same",
}


def evaluation_told(value: object) -> str:
    """That there was no evaluation, or that it measured nothing; otherwise its plots tell."""
    if value is None:
        return paragraph(
            "No evaluation set was given, so nothing is known of how good it is on questions"
            " people judged: see Evaluation sets in the documentation of training."
        )
    if not items(value):
        return paragraph("No evaluation set could be answered; the warnings say why.")
    return ""


def evaluation_drawn(value: object) -> list[str]:
    """A plot for each set."""
    return [_set(name, found) for name, found in items(value)[:MAX_SETS]]


def meanings(value: object) -> str:
    """What the measures mean, if any were taken."""
    rows = list(MEANINGS.items()) if items(value) else []
    return folded("What the measures mean", table(("measure", "meaning"), rows))


def _set(name: str, found: object) -> str:
    measures = dict(items(found))
    rows = [
        _bar(measure, value, measures)
        for measure, item in measures.items()
        if (value := number(item)) is not None and not _is_bound(measure, measures)
    ]
    listed = [(row.name, row.value, row.low, row.high) for row in rows]
    title = f"Measures on {text(name, 60)}"
    plot = bars(title, rows, full=1 if _are_shares(rows) else 0)
    caption = _told(rows, number(member(found, "queries")))
    return figure(title, plot, caption, table(("measure", "value", "low", "high"), listed))


def _told(rows: list[Bar], queries: float | None) -> str:
    """The first measure in words, which is the one a family is best judged by."""
    if not rows:
        return ""
    asked = f" on {plural(queries, 'question')}" if queries else ""
    told = f"{rows[0].name} is {rows[0].shown}{asked}"
    with_interval = next((row for row in rows if row.low is not None), None)
    if with_interval is None:
        return f"{told}."
    if with_interval is rows[0]:
        told += f", between {in_figures(rows[0].low, 3)} and {in_figures(rows[0].high, 3)}"
    return f"{told}. The thin lines are intervals: other questions may give other numbers."


def _bar(measure: str, value: float, measures: dict[str, object]) -> Bar:
    low, high = number(measures.get(measure + LOW)), number(measures.get(measure + HIGH))
    has_both = low is not None and high is not None
    return Bar(
        text(measure, 60).replace("_", " "),
        value,
        in_figures(value, 3),
        low if has_both else None,
        high if has_both else None,
    )


def _is_bound(measure: str, measures: dict[str, object]) -> bool:
    return measure == "queries" or any(
        measure.endswith(end) and measure.removesuffix(end) in measures for end in (LOW, HIGH)
    )


def _are_shares(rows: list[Bar]) -> bool:
    return all(0 <= row.value <= 1 for row in rows)
