"""The elements of the page: paragraphs, tables, figures, and any JSON value as folded tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mme.training.page.values import in_figures, text
from mme.training.plots.svg import escaped

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_ROWS = 200
"""A table has no more rows; what is left out is counted below it."""
MAX_VALUES, MAX_DEPTH = 2000, 6
"""So many values of a JSON object are written down, and so deep."""
LONG_LIST = 12


def paragraph(*sentences: str, kind: str = "") -> str:
    """Sentences that are told, escaped; empty ones are left out."""
    told = " ".join(filter(None, sentences))
    of_kind = f' class="{kind}"' if kind else ""
    return f"<p{of_kind}>{escaped(told)}</p>" if told else ""


def section(title: str, *parts: str) -> str:
    """A heading and what is below it; nothing if there is nothing."""
    content = "\n".join(filter(None, parts))
    return f"<section><h2>{escaped(title)}</h2>\n{content}</section>" if content else ""


def folded(summary: str, content: str) -> str:
    """What is shown when asked for."""
    if not content:
        return ""
    return f"<details><summary>{escaped(summary)}</summary>{content}</details>"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Rows of values under the names of their columns."""
    if not rows:
        return ""
    names = "".join(f'<th scope="col">{escaped(name)}</th>' for name in head)
    lines = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows[:MAX_ROWS])
    left = len(rows) - MAX_ROWS
    more = f"<p>{in_figures(left)} more rows are in the JSON report.</p>" if left > 0 else ""
    return _scrolling(f"<table><tr>{names}</tr>{lines}</table>") + more


def figure(title: str, plot: str, caption: str = "", numbers: str = "") -> str:
    """A plot, what it says in words, and its numbers in a table for those who cannot see it."""
    if not plot:
        return ""
    told = f"<p>{escaped(caption)}</p>" if caption else ""
    named = f"<figcaption><h3>{escaped(title)}</h3>{told}</figcaption>"
    return f"<figure>{named}{plot}{folded('The numbers', numbers)}</figure>"


def figures(parts: Iterable[str]) -> str:
    """Figures beside each other where there is room."""
    content = "".join(parts)
    return f'<div class="figures">{content}</div>' if content else ""


def shown(value: object) -> str:
    """Any JSON value: objects as tables, long lists folded, the first `MAX_VALUES` of them."""
    return _scrolling(_Shown().of(value, 0))


def _scrolling(content: str) -> str:
    """What may be wider than the page, within reach of a keyboard."""
    return f'<div class="wide" tabindex="0" role="group" aria-label="Table">{content}</div>'


def _cell(value: object) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f'<td class="number">{escaped(text(value))}</td>'
    return f"<td>{escaped(text(value))}</td>"


class _Shown:
    def __init__(self) -> None:
        self._left = MAX_VALUES

    def of(self, value: object, depth: int) -> str:
        self._left -= 1
        if depth > MAX_DEPTH or not isinstance(value, (Mapping, list, tuple)):
            return escaped(text(value))
        if isinstance(value, Mapping):
            return self._object(value, depth)
        if any(isinstance(entry, (Mapping, list, tuple)) for entry in value[:MAX_VALUES]):
            return self._rows([("", entry) for entry in value[: max(self._left, 0)]],
                              len(value), depth)  # fmt: skip
        return self._list(value)

    def _object(self, value: Mapping[str, object], depth: int) -> str:
        rows: list[tuple[str, object]] = []
        for key, item in value.items():
            if len(rows) >= self._left:
                break
            rows.append((text(str(key), 200).replace("_", " "), item))
        return self._rows(rows, len(value), depth)

    def _rows(self, rows: Sequence[tuple[str, object]], count: int, depth: int) -> str:
        lines = []
        for name, item in rows:
            if self._left <= 0:
                break
            head = f'<th scope="row">{escaped(name)}</th>' if name else ""
            is_number = isinstance(item, (int, float)) and not isinstance(item, bool)
            kind = ' class="number"' if is_number else ""
            lines.append(f"<tr>{head}<td{kind}>{self.of(item, depth + 1)}</td></tr>")
        return f"<table>{''.join(lines)}</table>{self._left_out(count - len(lines))}"

    def _list(self, value: Sequence[object]) -> str:
        told = [escaped(text(entry)) for entry in value[: max(self._left, 0)]]
        self._left -= len(told)
        joined = ", ".join(told) or "none"
        joined += self._left_out(len(value) - len(told))
        return joined if len(value) <= LONG_LIST else folded(f"{len(value):,} entries", joined)

    def _left_out(self, count: int) -> str:
        return f"<p>{count:,} more are in the JSON report.</p>" if count > 0 else ""
