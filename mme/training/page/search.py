"""Searching: how far its relevance can be trusted, which documents are the same."""

from __future__ import annotations

from mme.training.page.markup import figure, folded, paragraph, table
from mme.training.page.values import (
    entries,
    in_figures,
    in_percent,
    items,
    member,
    number,
    numbers,
    plural,
    text,
)  # fmt: skip
from mme.training.plots.lines import Series, lines

KEYS = ("relevance", "near_duplicates")


def index(facts: object) -> str:
    """What the index holds, and which of its documents say nearly the same."""
    if number(member(facts, "documents")) is None:
        return ""
    return "\n".join(
        [
            paragraph(
                f"{plural(member(facts, 'documents'), 'document')} can be found, of"
                f" {in_figures(member(facts, 'mean_words_of_a_document'), 1)} words on average, by"
                f" {plural(member(facts, 'vocabulary_words'), 'different word')}.",
                _duplicates_told(member(facts, "near_duplicates")),
            ),
            _duplicates(member(facts, "near_duplicates")),
        ]
    )


def relevance_drawn(facts: object) -> list[str]:
    """Precision and recall over the threshold, and whether a relevance of 0.8 means 80 %."""
    found = member(facts, "relevance")
    thresholds = numbers(member(found, "thresholds"))
    curves = [
        Series(name, list(zip(thresholds, numbers(member(found, name)), strict=False)))
        for name in ("precision", "recall")
    ]
    calibration = [numbers(entry) for entry in entries(member(found, "calibration"))]
    points = [(entry[0], entry[1]) for entry in calibration if len(entry) > 1]
    return [_threshold_figure(curves), _calibration_figure(points, calibration)]


def relevance_told(facts: object) -> str:
    """What relevance was learnt from, and how well it tells what is right."""
    found = member(facts, "relevance")
    if not items(found):
        return ""
    auroc = member(found, "auroc")
    return paragraph(
        f"Relevance was learnt from {plural(member(found, 'positives'), 'pair')} that belong"
        f" together and {in_figures(member(found, 'negatives'))} that do not.",
        f"Of one pair of each kind, the right one is the more relevant in {in_percent(auroc)} of"
        " cases (guessing: 50 %)." if number(auroc) is not None else "",
    )  # fmt: skip


def _threshold_figure(curves: list[Series]) -> str:
    title = "Precision and recall by the threshold of relevance"
    plot = lines(title, curves, ("threshold", "share"), unit_square=True)
    rows = [
        (x, precision, recall)
        for (x, precision), (_, recall) in zip(curves[0].points, curves[1].points, strict=False)
    ]
    return figure(
        title,
        plot,
        "Answers of at least this relevance: which share of them is right (precision), and which"
        " share of the right ones is among them (recall).",
        table(("threshold", "precision", "recall"), rows),
    )


def _calibration_figure(points: list[tuple[float, float]], rows: list[list[float]]) -> str:
    title = "Calibration of relevance"
    plot = lines(
        title, [Series("observed", points, has_dots=True)],
        ("relevance", "share that is right"), unit_square=True, diagonal=True,
    )  # fmt: skip
    return figure(
        title,
        plot,
        "Of the pairs of about this relevance, the share that belongs together. On the dotted line,"
        " relevance is a probability.",
        table(("relevance", "share that is right", "pairs"), rows),
    )


def _duplicates_told(found: object) -> str:
    count = number(member(found, "documents"))
    if count is None:
        return ""
    bound = in_percent(member(found, "bound"))
    looked_at = plural(member(found, "documents_looked_at"), "document")
    if not count:
        return f"No two of {looked_at} share {bound} of their words."
    share = "shares" if count == 1 else "share"
    return (
        f"{in_figures(count)} of {looked_at} {share} at least {bound} of all different words with"
        " an earlier one: searching finds them side by side."
    )


def _duplicates(found: object) -> str:
    pairs = entries(member(found, "pairs"))[:50]
    rows = [
        (_document(member(pair, "first")), _document(member(pair, "second")),
         in_percent(member(pair, "alike")))
        for pair in pairs
    ]  # fmt: skip
    return folded(
        f"Documents that say nearly the same ({len(rows)} most alike)",
        table(("first", "second", "words in common"), rows),
    )


def _document(value: object) -> str:
    return f"{text(member(value, 'title'), 120)} ({text(member(value, 'id'), 60)})"
