"""Showing people what an evaluation found: the measures, then questions, expected and found."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from models.evaluation.results import Answered, Evaluated

LOW, HIGH = "_low", "_high"
SHOWN_FOUND, SHOWN_TEXT_CHARS = 3, 100


def measures_text(found: Mapping[str, Evaluated]) -> str:
    """A small table of each set; an interval stands behind its measure."""
    lines = []
    for name, each in found.items():
        measures = each.measures
        lines.append(f"{name} ({len(each.answered)} questions)")
        for measure, value in measures.items():
            if measure.endswith((LOW, HIGH)):
                continue
            line = f"  {measure:<18}{value:.4f}"
            if measure + LOW in measures:
                low, high = measures[measure + LOW], measures[measure + HIGH]
                line += f"   (95 %: {low:.4f} to {high:.4f})"
            lines.append(line)
    return "".join(f"{line}\n" for line in lines)


def questions_text(title: str, answered: Sequence[Answered]) -> str:
    """Each question, what was expected and what was found."""
    lines = [title]
    for each in answered:
        lines.append(f"  {each.query}: {_cut(each.text)}")
        lines.extend(f"    {line}" for line in _lines(each))
    return "".join(f"{line}\n" for line in lines)


def _lines(each: Answered) -> Iterator[str]:
    for what, entries in (("expected", each.expected), ("found   ", each.found)):
        if phrases := [str(entry["phrase"]) for entry in entries if "phrase" in entry]:
            yield f"{what}  {', '.join(phrases)}"
            continue
        if not entries:
            yield f"{what}  nothing"
        for entry in entries if what == "expected" else entries[:SHOWN_FOUND]:
            yield f"{what}  {_expected(entry) if what == 'expected' else _found(entry)}"


def _expected(wanted: Mapping[str, object]) -> str:
    if "id" not in wanted:
        return _facts(wanted)
    rank = "not found" if wanted.get("rank") is None else f"rank {wanted['rank']}"
    return f"{wanted['id']} ({rank}) {_cut(str(wanted.get('title', '')))}".rstrip()


def _found(found: Mapping[str, object]) -> str:
    if "id" not in found:
        return _facts(found)
    numbers = {key: found[key] for key in ("relevance", "score") if key in found}
    return (
        f"{found['rank']}. {found['id']} ({_facts(numbers)}) {_cut(str(found['title']))}".rstrip()
    )


def _facts(facts: Mapping[str, object]) -> str:
    return ", ".join(
        f"{key} {value:.4f}" if isinstance(value, float) else f"{key} {value}"
        for key, value in facts.items()
    )


def _cut(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= SHOWN_TEXT_CHARS else f"{flat[:SHOWN_TEXT_CHARS]}…"
