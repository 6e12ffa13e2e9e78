"""What one check has found: a verdict, what was seen, what to do about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Verdict = Literal["ok", "warning", "failed", "skipped"]
KIB = 1024
UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a doctor's report."""

    check: str
    """What was looked at, in a word or two."""
    verdict: Verdict
    found: str
    """What was seen; a sentence without a full stop."""
    advice: str = ""
    """What to do; empty where there is nothing."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """The same in numbers and names, for programs."""

    def to_json(self) -> dict[str, Any]:
        """As `mme doctor --json` has it."""
        said = {"check": self.check, "verdict": self.verdict, "found": self.found}
        return said | ({"advice": self.advice} if self.advice else {}) | dict(self.facts)


def ok(check: str, found: str, **facts: Any) -> Finding:
    """All is well with it."""
    return Finding(check, "ok", found, "", facts)


def warning(check: str, found: str, advice: str = "", **facts: Any) -> Finding:
    """The endpoint runs, and something will not be as it should."""
    return Finding(check, "warning", found, advice, facts)


def failed(check: str, found: str, advice: str = "", **facts: Any) -> Finding:
    """The endpoint does not start, or a model does not serve."""
    return Finding(check, "failed", found, advice, facts)


def skipped(check: str, found: str) -> Finding:
    """It was not looked at; why."""
    return Finding(check, "skipped", found)


def is_well(findings: Iterable[Finding]) -> bool:
    """Whether none of them failed."""
    return all(each.verdict != "failed" for each in findings)


def counted(count: int, what: str) -> str:
    """So many of something: 1 artifact, 2 artifacts."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def sized(in_bytes: float) -> str:
    """A number of bytes as people read it: 1.5 GiB."""
    unit = 0
    while abs(in_bytes) >= KIB and unit < len(UNITS) - 1:
        in_bytes /= KIB
        unit += 1
    return f"{in_bytes:.0f} {UNITS[unit]}" if unit < 2 else f"{in_bytes:.1f} {UNITS[unit]}"  # noqa: PLR2004 - fractions of a MiB tell something
