"""How likely a match is about the claim: a calibrated number from 0 to 1.

Scores order the documents of one claim; they cannot say whether any of them is what was looked for.
A logistic model of a few measures of evidence can. Its coefficients are learnt in training from the
documents themselves (`calibration`), one set for what terms tell and one for terms and meaning.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from models.errors import shorten

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]

LARGEST_COEFFICIENT = 1e4
MOST_COVERAGE = 1.5
COSINES = 10
"""Cosines differ little from text to text: so much is a step like those of the other measures."""
FEATURES = {"by_terms": 2, "by_meaning": 4}
"""How many coefficients each set has, the constant among them."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of some matches of one claim. *Shape* of each array: (matches,)."""

    coverages: Floats
    """The share of the claim's terms, weighed by their rarity, that the document has."""
    standings: Floats | None = None
    """Standard scores by meaning; None where that was not asked."""
    cosines: Floats | None = None

    def features(self) -> Floats:
        """What the logistic model sees. *Shape*: (matches, coefficients but the constant)."""
        coverages = np.minimum(self.coverages, MOST_COVERAGE)
        if self.standings is None or self.cosines is None:
            return coverages[:, None]
        return np.stack([coverages, self.standings, COSINES * self.cosines], axis=1)


@dataclass(frozen=True, slots=True)
class Relevance:
    """Coefficients of the logistic models, the constant first."""

    by_terms: tuple[float, ...]
    by_meaning: tuple[float, ...]

    def of(self, evidence: Evidence) -> Floats:
        """The relevance of each match."""
        chosen = self.by_terms if evidence.standings is None else self.by_meaning
        return probabilities(evidence.features(), chosen)

    def to_json(self) -> dict[str, list[float]]:
        """For the index; see `of_json`."""
        return {name: list(getattr(self, name)) for name in FEATURES}

    @classmethod
    def of_json(cls, value: object) -> Self:
        """Raises ValueError for anything but finite numbers in the right places."""
        if not isinstance(value, dict) or value.keys() != FEATURES.keys():
            raise ValueError(f"is {shorten(value)}: it must be coefficients")
        return cls(**{name: _coefficients(value[name], count) for name, count in FEATURES.items()})


def probabilities(features: Floats, coefficients: tuple[float, ...]) -> Floats:
    """The logistic model's probabilities. *Shape*: (matches,)."""
    logits = coefficients[0] + features @ np.array(coefficients[1:])
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -50, 50))))


def _coefficients(values: object, count: int) -> tuple[float, ...]:
    if (
        not isinstance(values, list)
        or len(values) != count
        or not all(isinstance(value, float) and math.isfinite(value) for value in values)
        or max(map(abs, values)) > LARGEST_COEFFICIENT
    ):
        raise ValueError(f"has {shorten(values)}: it must be {count} numbers")
    return tuple(values)


TYPICAL = Relevance(by_terms=(-3.5, 10.0), by_meaning=(-6.0, 5.0, 1.0, 0.0))
"""Of corpora that are too small to learn from, and of indexes made before there was relevance."""
