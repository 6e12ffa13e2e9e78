"""Durations of one kind: how many, their sum, the least and the most. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(eq=False, slots=True)
class Durations:
    """In seconds; `least` and `most` mean nothing while `count` is 0."""

    count: int = 0
    total_s: float = 0.0
    least_s: float = float("inf")
    most_s: float = 0.0

    def add(self, seconds: float) -> None:
        """One more."""
        self.count += 1
        self.total_s += seconds
        self.least_s = min(self.least_s, seconds)
        self.most_s = max(self.most_s, seconds)

    def with_all_of(self, other: Durations) -> Durations:
        """These and the others together."""
        return Durations(
            self.count + other.count,
            self.total_s + other.total_s,
            min(self.least_s, other.least_s),
            max(self.most_s, other.most_s),
        )
