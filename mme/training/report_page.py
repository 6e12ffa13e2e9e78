"""The training report as a page for people: one HTML file that needs no other."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color: #1b1f24; background: #fff }
h1 { font-size: 1.6rem } h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0;
  border-bottom: 1px solid #d8dee4; overflow-wrap: anywhere }
th { font-weight: 600 } td.number { text-align: right; font-variant-numeric: tabular-nums }
.warning { background: #fff4d6; padding: .5rem .75rem }
details { white-space: normal }
"""
LONG_ITEMS = 12


def as_page(report: Mapping[str, object]) -> str:
    """The report as HTML."""
    name = html.escape(str(report["family"]))
    warnings = report["warnings"]
    assert isinstance(warnings, Sequence)  # noqa: S101 - made by make_report
    parts = [
        "<!doctype html>",
        f'<html lang="en"><meta charset="utf-8"><title>Training of {name}</title>',
        f"<style>{STYLE}</style>",
        f"<h1>Training of {name}</h1>",
        f"<p>Finished {report['finished_at']} after {_number(report['duration_s'])} s.</p>",
        *(f'<p class="warning">{html.escape(str(warning))}</p>' for warning in warnings),
        _section("What it learnt", report["facts"]),
        _evaluation(report["evaluation"]),
        _section("Corpus", report["corpus"]),
        _section("Artifact", report["artifact"]),
        _rows("Time", report["phases"], ("title", "steps", "unit", "duration_s")),
        _section("Parameters", report["params"]),
        _section("Versions", report["versions"]),
        "</html>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _evaluation(value: object) -> str:
    if value is None:
        return "<h2>Evaluation</h2><p>No evaluation set was given.</p>"
    return _section("Evaluation", value)


def _section(title: str, value: object) -> str:
    return f"<h2>{title}</h2>{_shown(value)}"


def _rows(title: str, rows: object, columns: Sequence[str]) -> str:
    assert isinstance(rows, Sequence)  # noqa: S101 - made by make_report
    head = "".join(f"<th>{column.replace('_', ' ')}</th>" for column in columns)
    lines = ["".join(_cell(row[column]) for column in columns) for row in rows]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<h2>{title}</h2><table><tr>{head}</tr>{body}</table>"


def _cell(value: object) -> str:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return f'<td class="number">{_number(value)}</td>' if is_number else f"<td>{_shown(value)}</td>"


def _shown(value: object) -> str:
    """Any JSON value: objects as tables, long lists folded."""
    if isinstance(value, Mapping):
        rows = "".join(
            f"<tr><th>{html.escape(str(key))}</th>{_cell(item)}</tr>" for key, item in value.items()
        )
        return f"<table>{rows}</table>"
    if isinstance(value, (list, tuple)):
        if any(isinstance(item, Mapping) for item in value):
            return "".join(_shown(item) for item in value)
        text = html.escape(", ".join(map(str, value))) or "none"
        if len(value) <= LONG_ITEMS:
            return text
        return f"<details><summary>{len(value)} entries</summary>{text}</details>"
    return html.escape("" if value is None else _number(value))


def _number(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.4f}".rstrip("0").rstrip(".")
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)
