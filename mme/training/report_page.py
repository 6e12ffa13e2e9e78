"""The training report as a page for people: one HTML file that needs no other.

Made from the JSON report alone: sentences and plots from `page`, all else in folded tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mme.training.page import measured, search, topics, vectors
from mme.training.page.markup import figure, figures, folded, paragraph, section, shown, table
from mme.training.page.misses import misses
from mme.training.page.values import (
    entries,
    in_bytes,
    in_time,
    items,
    member,
    number,
    plural,
    text,
)  # fmt: skip
from mme.training.page.whole import whole
from mme.training.plots.bars import Bar, bars

if TYPE_CHECKING:
    from collections.abc import Mapping

DRAWN = {*topics.KEYS, *vectors.KEYS, *search.KEYS}
"""Facts that are shown otherwise than in a table."""
MAX_WARNINGS, MAX_PHASES = 50, 40
TIMES_PX = 180
"""The room for the names of phases."""


def as_page(report: Mapping[str, object]) -> str:
    """The report as HTML. Takes any JSON object: what is missing is left out."""
    family, facts = text(report.get("family"), 60), report.get("facts")
    name = text(report.get("name") or family, 60)
    return whole(
        f"Training of {name}",
        f"Training of {_named(name, family)}",
        _outline(report),
        _warnings(report.get("warnings")),
        section(
            "What was learnt",
            topics.topics(facts),
            vectors.word_vectors(facts),
            search.index(facts),
        ),
        section(
            "How good it is",
            *_quality(report),
        ),
        section("Corpus", _corpus(report), folded("All facts", shown(_other_facts(facts)))),
        section("Time", *_times(report.get("phases"), family)),
        section("Artifact", *_artifact(report)),
    )


def _named(name: str, family: str) -> str:
    return name if name == family else f"{name} ({family})"


def _quality(report: object) -> list[str]:
    facts, evaluation = member(report, "facts"), member(report, "evaluation")
    drawn = [
        vectors.separation_drawn(facts),
        *search.relevance_drawn(facts),
        *measured.evaluation_drawn(evaluation),
    ]
    return [
        vectors.separation_told(facts),
        search.relevance_told(facts),
        measured.evaluation_told(evaluation),
        figures(drawn),
        measured.meanings(evaluation),
        misses(report),
    ]


def _outline(report: object) -> str:
    rows = member(report, "facts", "rows")
    return paragraph(
        f"An artifact of {in_bytes(member(report, 'artifact', 'size_bytes'))}, made from"
        f" {text(member(report, 'corpus', 'name'), 120)}"
        f" ({plural(rows, 'row')}, {in_bytes(member(report, 'corpus', 'size_bytes'))})"
        f" in {in_time(member(report, 'duration_s'))};"
        f" finished {_moment(member(report, 'finished_at'))}.",
        kind="lead",
    )


def _moment(value: object) -> str:
    return text(value, 40).replace("T", " ").replace("+00:00", " UTC")


def _warnings(warnings: object) -> str:
    told = entries(warnings)
    parts = [paragraph(text(said), kind="warning") for said in told[:MAX_WARNINGS]]
    if len(told) > MAX_WARNINGS:
        parts.append(paragraph(f"{plural(len(told) - MAX_WARNINGS, 'more warning')}."))
    return "\n".join(parts)


def _corpus(report: object) -> str:
    facts = member(report, "facts")
    skipped, learnt = member(facts, "skipped_rows"), entries(member(facts, "learnt_stop_words"))
    said = "none" if not number(skipped) else plural(skipped, "row")
    return paragraph(
        f"{text(member(report, 'corpus', 'name'), 120)}, from"
        f" {text(member(report, 'corpus', 'from'), 200)}:"
        f" {plural(member(facts, 'rows'), 'row')}, {said} left out for want of a text.",
        f"{plural(len(entries(member(facts, 'stop_words'))), 'stop word')},"
        f" {len(learnt) or 'none'} of them learnt from the corpus.",
        f"Reproducible: {text(member(facts, 'reproducible'), 120)}."
        if member(facts, "reproducible") else "",
    )  # fmt: skip


def _other_facts(facts: object) -> dict[str, object]:
    return {key: value for key, value in items(facts) if key not in DRAWN}


def _times(phases: object, family: str) -> list[str]:
    told = entries(phases)[:MAX_PHASES]
    rows = [
        Bar(
            text(member(phase, "title"), 80).removeprefix(f"{family}: "),
            number(member(phase, "duration_s")) or 0,
            in_time(member(phase, "duration_s")),
        )
        for phase in told
    ]
    title = "Time of each phase"
    plot = bars(title, rows, names_px=TIMES_PX)
    longest = max(rows, key=lambda row: row.value, default=None)
    columns = ("title", "steps", "unit", "duration_s")
    listed = table(
        ("phase", "steps", "unit", "seconds"),
        [[member(phase, column) for column in columns] for phase in told],
    )
    sentence = f"Most of the time went into {longest.name} ({longest.shown})." if longest else ""
    return [figures([figure(title, plot, sentence, listed)])]


def _artifact(report: object) -> list[str]:
    artifact = member(report, "artifact")
    place = text(member(artifact, "place"), 300)
    whole = {"name": place, **dict(items(artifact))} if member(artifact, "sha256") else None
    files = [
        (text(member(file, "name"), 300), in_bytes(member(file, "size_bytes")),
         text(member(file, "sha256"), 64))
        for file in (*([whole] if whole else ()), *entries(member(artifact, "files")))
    ]  # fmt: skip
    return [
        paragraph(f"{place}, {in_bytes(member(artifact, 'size_bytes'))}."),
        folded("Files", table(("file", "size", "SHA-256"), files)),
        folded("Parameters", shown(member(report, "params"))),
        folded("Versions of libraries", shown(member(report, "versions"))),
    ]
