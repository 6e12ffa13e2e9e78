"""A table of what a contract expects and what was seen, filled by tests and kept in a file.

A check is a test that returns what it saw; the decorator compares that with what the row expects.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS = "1.1 Calls the platform makes"
REACTIONS = "1.2 What the platform does with the answers"
LIMITS = "1.3 Time limits and sizes"
HEADERS = "1.4 Headers that reach the container"
SURROUNDINGS = "1.5 Environment, labels, files, user"
SINGLE = "1.6 Single-model hosting"

HEADER = """# Conformance

What SageMaker expects of a multi-model container, and what the container of this image was seen to
do: each row is a check in `tests/container/test_conformance_*.py`, made through a driver that
behaves as the platform does. `make conformance` writes this file anew. What comes of other servers'
own tests: [conformance-peers.md](conformance-peers.md).
"""


@dataclass(frozen=True, order=True)
class Row:
    """One row of the contract."""

    section: str
    row: str
    expected: str


@dataclass
class Table:
    """Rows and what was seen of each."""

    seen: dict[Row, str] = field(default_factory=dict)

    def as_markdown(self) -> str:
        """The table by section, in the order the checks are written in."""
        lines = [HEADER]
        for section in sorted({row.section for row in self.seen}):
            lines += [f"## {section}", "", "| row | expected | seen |", "|---|---|---|"]
            lines += [
                f"| {row.row} | {row.expected} | {seen} |"
                for row, seen in self.seen.items()
                if row.section == section
            ]
            lines.append("")
        return "\n".join(lines)


TABLE = Table()


def conforms(section: str, row: str, expected: str) -> Callable[[Callable[..., str]], Callable]:
    """Make a test of a function that returns what it saw of a row."""

    def decorate(check: Callable[..., str]) -> Callable[..., None]:
        @functools.wraps(check)
        def test(*args: object, **kwargs: object) -> None:
            key = Row(section, row, expected)
            TABLE.seen[key] = "nothing: the check broke off"
            TABLE.seen[key] = check(*args, **kwargs)
            assert TABLE.seen[key] == expected

        return test

    return decorate
