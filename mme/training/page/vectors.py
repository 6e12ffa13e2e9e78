"""Word vectors: how training converged, whether they tell related texts, which words are near."""

from __future__ import annotations

import math

from mme.training.page.markup import figure, figures, folded, paragraph, table
from mme.training.page.values import (
    entries,
    in_figures,
    in_percent,
    member,
    number,
    numbers,
    plural,
    text,
)  # fmt: skip
from mme.training.plots.histograms import Kind, histograms
from mme.training.plots.lines import Level, Series, lines

KEYS = ("learning", "similarities", "nearest_words")
MEASURES = ("log_loss", "same_text", "different_texts")


def word_vectors(facts: object) -> str:
    """What was learnt of words; nothing if the facts tell nothing of the kind."""
    drawn = figures(_learning(member(facts, "learning")))
    nearest = _nearest(member(facts, "nearest_words"))
    if not drawn and not nearest:
        return ""
    told = paragraph(
        f"{plural(member(facts, 'vocabulary_words'), 'word')} got a vector of"
        f" {plural(member(facts, 'dimensions'), 'number')}, learnt from"
        f" {plural(member(facts, 'rows'), 'text')}; they cover"
        f" {in_percent(member(facts, 'coverage', 'tokens'))} of all running words.",
        _convergence(member(facts, "learning", "epochs")),
    )
    return f"{told}\n{drawn}\n{nearest}"


def separation_told(facts: object) -> str:
    """Whether related texts come out as more alike than unrelated ones."""
    auroc = number(member(facts, "similarities", "auroc"))
    if auroc is None:
        return ""
    return paragraph(
        f"Of a related and an unrelated pair of texts, the related one comes out as the more"
        f" similar in {in_percent(auroc)} of cases (guessing: 50 %). Texts like"
        " these were trained on, so pairs that people judged say more."
    )


def _convergence(points: object) -> str:
    losses = [loss for loss in _column(points, "log_loss") if math.isfinite(loss)]
    if len(losses) < 2:  # noqa: PLR2004 - no course
        return ""
    return (
        f"In the course of training the log-loss went from {in_figures(losses[0], 3)} to"
        f" {in_figures(losses[-1], 3)}. Since the learning rate falls to nothing by the last"
        " epoch, it flattens in any case."
    )


def _learning(learning: object) -> list[str]:
    points = member(learning, "epochs")
    epochs = _column(points, "epoch")
    log_loss, same, different = (
        list(zip(epochs, _column(points, measure), strict=True)) for measure in MEASURES
    )
    chance = number(member(learning, "chance"))
    rows = [
        [member(point, key) for key in ("epoch", *MEASURES)] for point in entries(points)[:1000]
    ]
    numbers_table = table(("epoch", "log-loss", "same text", "different texts"), rows)
    loss = "Log-loss by epoch"
    gap = "Similarity of halves of texts by epoch"
    return [
        figure(
            loss,
            lines(
                loss,
                [Series("of the training task", log_loss)],
                ("epoch", "log-loss"),
                level=None if chance is None else Level("guessing", chance),
            ),
            "The mean log-loss of telling a word of a text from words drawn at random, on"
            f" {plural(member(learning, 'decisions'), 'word')} that stayed the same.",
            numbers_table,
        ),
        figure(
            gap,
            lines(
                gap,
                [Series("of the same text", same), Series("of different texts", different)],
                ("epoch", "mean similarity"),
            ),
            f"The halves of {plural(member(learning, 'texts'), 'text')} trained on: the wider the"
            " gap, the better texts can be told apart.",
            numbers_table,
        ),
    ]


def separation_drawn(facts: object) -> str:
    """The similarities of both kinds of texts."""
    found = member(facts, "similarities")
    kinds = [
        Kind(f"{kind} (mean {in_figures(member(found, f'{kind}_mean'), 2)})",
             numbers(member(found, f"{kind}_counts")))
        for kind in ("related", "unrelated")
    ]  # fmt: skip
    lowest, highest = number(member(found, "lowest")), number(member(found, "highest"))
    if lowest is None or highest is None:
        return ""
    title = "Similarities of related and of unrelated texts"
    names = "similarity", "share of pairs"
    caption = (
        f"Related: {text(member(found, 'related'), 80)}; unrelated:"
        f" {text(member(found, 'unrelated'), 80)};"
        f" {plural(member(found, 'related_pairs'), 'pair')} each. Area under the ROC curve:"
        f" {in_figures(member(found, 'auroc'), 3)}."
    )
    if without := number(member(found, "pairs_without_known_words")):
        caption += f" {plural(without, 'pair')} without known words left out."
    plot = histograms(title, kinds, (lowest, highest), names)
    return figure(title, plot, caption, _bins(kinds, lowest, highest))


def _bins(kinds: list[Kind], lowest: float, highest: float) -> str:
    width = (highest - lowest) / max(len(kinds[0].counts), 1)
    rows = [
        (f"{lowest + n * width:.3g} to {lowest + (n + 1) * width:.3g}", *counts)
        for n, counts in enumerate(zip(*(kind.counts for kind in kinds), strict=False))
        if any(counts)
    ]
    return table(("similarity", "related pairs", "unrelated pairs"), rows)


def _nearest(words: object) -> str:
    rows = []
    for word in entries(words)[:50]:
        pairs = [entries(pair) for pair in entries(member(word, "nearest"))[:10]]
        near = [f"{text(p[0], 60)} {in_figures(p[1], 2)}" for p in pairs if len(p) > 1]
        rows.append((text(member(word, "word"), 60), member(word, "count"), ", ".join(near)))
    return folded(
        "The commonest words and those nearest to them", table(("word", "times", "nearest"), rows)
    )


def _column(points: object, key: str) -> list[float]:
    return numbers([member(point, key) for point in entries(points)])
