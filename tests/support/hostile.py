"""The table of hostile inputs in docs/security.md: how many were tried of each kind, how many held.

A test marked `@pytest.mark.hostile(KIND)` is one input, or one a parameter set: it passes where the
endpoint did what it should with it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"


@dataclass
class Figures:
    """Inputs by kind."""

    tried: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)

    def note(self, kind: str, *, holds: bool) -> None:
        """Count one input."""
        self.tried[kind] += 1
        self.held[kind] += holds

    def as_markdown(self) -> str:
        """The table, kinds in order, and their sums."""
        rows = [("| kind of input | tried | held |"), "|---|---:|---:|"]
        rows += [
            f"| {kind} | {self.tried[kind]} | {self.held[kind]} |" for kind in sorted(self.tried)
        ]
        rows.append(f"| **all** | {self.tried.total()} | {self.held.total()} |")
        return "\n".join(rows)

    def write(self, document: Path) -> None:
        """Put the table in its place in `document`."""
        text = document.read_text(encoding="utf-8")
        before, _, rest = text.partition(BEGIN)
        _, _, after = rest.partition(END)
        document.write_text(
            f"{before}{BEGIN}\n{self.as_markdown()}\n{END}{after}", encoding="utf-8"
        )
