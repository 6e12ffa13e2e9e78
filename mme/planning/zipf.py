"""Traces that are made up: models asked for by Zipf's law, by callers independent of each other.

Made in chunks, so that one of any length takes little memory; the same words give the same trace.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from mme.planning.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

CHUNK = 1_000_000
MOST_MODELS = 10_000_000
MOST_DEALT_H = 100_000
"""Hours of a trace with drift: each deals anew, and some years of them take minutes."""
GRID = 20_000
DAY_S = 86_400.0
WHOLE = {"models", "requests", "seed"}
UNITS = {"": 1.0, "/s": 1.0, "/m": 1 / 60, "/min": 1 / 60, "/h": 1 / 3600}


class ZipfError(ValueError):
    """What was written is no such trace."""


@dataclass(frozen=True, slots=True)
class Zipf:
    """What a made-up trace is like."""

    models: int = 10_000
    requests: int = 1_000_000
    s: float = 1.0
    """The exponent: 0 asks all models alike, 1.1 a few of them most."""
    rate: float = 100.0
    """Requests a second, on average."""
    seed: int = 1
    swing: float = 0.0
    """How far the rate goes up and down in the course of a day: 0.5 from half to one and a half."""
    drift: float = 0.0
    """The share of the models whose places are dealt anew, each hour."""

    def chunks(self, size: int = CHUNK) -> Iterator[Trace]:
        """The whole trace, in chunks of `size`."""
        names = [f"model-{number:07d}.tar.gz" for number in range(self.models)]
        weights = np.cumsum(np.arange(1, self.models + 1, dtype=np.float64) ** -self.s)
        gaps, draws, deals = (np.random.default_rng([self.seed, stream]) for stream in range(3))
        at_rank = np.arange(self.models, dtype=np.int32)
        passed, dealt_h = 0.0, 0
        for begin in range(0, self.requests, size):
            count = min(size, self.requests - begin)
            mean_s = passed + np.cumsum(gaps.standard_exponential(count))
            passed = float(mean_s[-1])
            at_s = self._warped(mean_s / self.rate)
            rank = np.searchsorted(weights, draws.random(count) * weights[-1], side="right")
            rank = np.minimum(rank, self.models - 1)
            model = np.empty(count, np.int32)
            for hour, start, end in _hours(at_s) if self.drift else [(0, 0, count)]:
                while dealt_h < hour:
                    at_rank = self._dealt(at_rank, deals)
                    dealt_h += 1
                model[start:end] = at_rank[rank[start:end]]
            yield Trace(at_s, model, names, None)

    def _warped(self, even_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Times of an even rate, moved to where the day's rate has as many requests before them."""
        if not self.swing:
            return even_s
        reach_s = DAY_S * self.swing / np.pi
        grid_s = np.linspace(max(0.0, even_s[0] - reach_s), even_s[-1] + reach_s, GRID)
        angle = 2 * np.pi / DAY_S
        before_s = grid_s + self.swing / angle * (1 - np.cos(angle * grid_s))
        return np.interp(even_s, before_s, grid_s)

    def _dealt(self, at_rank: NDArray[np.int32], deals: np.random.Generator) -> NDArray[np.int32]:
        chosen = deals.permutation(self.models)[: round(self.models * self.drift)]
        after = at_rank.copy()
        after[np.sort(chosen)] = at_rank[chosen]
        return after


def _hours(at_s: NDArray[np.float64]) -> Iterator[tuple[int, int, int]]:
    hours = (at_s / 3600.0).astype(np.int64)
    edges = [0, *(np.flatnonzero(np.diff(hours)) + 1), len(hours)]
    for start, end in pairwise(edges):
        yield int(hours[start]), int(start), int(end)


def zipf_of(text: str) -> Zipf:
    """`models=100000,requests=100e6,s=1.1,rate=500/s,seed=1`. Raises ZipfError."""
    known = [each.name for each in fields(Zipf)]
    given: dict[str, Any] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        name, equals, value = map(str.strip, part.partition("="))
        if name not in known or not equals:
            raise ZipfError(f"{part!r}: write NAME=NUMBER, of {', '.join(known)}")
        given[name] = _number(name, value)
    whole = {name: int(given.pop(name)) for name in WHOLE & given.keys()}
    made = replace(Zipf(), **given, **whole)
    for name, least, most in (
        ("models", 1, MOST_MODELS), ("requests", 1, 1e10), ("s", 0, 10), ("rate", 1e-6, 1e9),
        ("seed", 0, 2**63), ("swing", 0, 0.95), ("drift", 0, 1),
    ):  # fmt: skip
        if not least <= getattr(made, name) <= most:
            raise ZipfError(f"{name}={getattr(made, name):g} is not from {least:g} to {most:g}")
    if made.drift and made.requests / made.rate / 3600 > MOST_DEALT_H:
        raise ZipfError(
            f"requests={made.requests} at rate={made.rate:g} take more than the {MOST_DEALT_H}"
            " hours that a trace with drift may"
        )
    return made


def _number(name: str, value: str) -> float:
    digits = value.rstrip("/smhin") if name == "rate" else value
    unit = value[len(digits) :]
    try:
        number = float(digits) * UNITS[unit]
    except (ValueError, KeyError):
        number = math.nan
    if not math.isfinite(number):
        form = "a number, as 500/s" if name == "rate" else "a number"
        raise ZipfError(f"{name}={value!r}: write {form}")
    return number
