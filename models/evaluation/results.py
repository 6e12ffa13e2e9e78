"""What an evaluation finds: measures, and for each question what was expected and found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SHOWN_FOUND = 10


@dataclass(frozen=True, slots=True)
class Answered:
    """One question of a set; all of it is JSON-able."""

    query: str
    """The question's id, or its number."""
    text: str
    expected: Sequence[Mapping[str, object]]
    found: Sequence[Mapping[str, object]]
    """The best ones, best first."""
    quality: float
    """From 0, all wrong, to 1: reciprocal rank, F@10 or share of pairs in the right order."""

    def as_json(self) -> dict[str, object]:
        """All of it."""
        return {
            "query": self.query,
            "text": self.text,
            "expected": [dict(each) for each in self.expected],
            "found": [dict(each) for each in self.found],
            "quality": round(self.quality, 4),
        }


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The measures of one set by name, rounded to four places, and its questions in their order."""

    measures: Mapping[str, float]
    answered: Sequence[Answered] = field(default_factory=tuple)

    def worst_first(self) -> list[Answered]:
        """All questions, those with the worst answers first, equal ones in their order."""
        return sorted(self.answered, key=lambda each: each.quality)

    def misses(self, most: int) -> list[Answered]:
        """The questions that were not answered as expected, the worst first."""
        return [each for each in self.worst_first() if each.quality < 1][:most]


def rounded(measures: Mapping[str, float]) -> dict[str, float]:
    """Measures to four places."""
    return {name: round(value, 4) for name, value in measures.items()}
