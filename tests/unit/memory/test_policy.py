"""The order in which models leave."""

from __future__ import annotations

import pytest

from mme.memory.policy import (
    HALF_LIFE_S,
    Candidate,
    decayed,
    least_recently_used,
    least_worth,
)


def candidate(name, own=10, *, load=1.0, used=0.0, uses=1.0):
    return Candidate(name, own_bytes=own, tasks=0, load_s=load, last_used_s=used, uses=uses)


def names(candidates):
    return [each.name for each in candidates]


def test_the_longest_unused_is_the_least_recently_used():
    assert names(least_recently_used([candidate("b", used=2), candidate("a", used=5)], 9)) == [
        "b",
        "a",
    ]


def test_large_cheap_and_rare_models_are_worth_least():
    rare = candidate("rare", uses=1)
    often = candidate("often", uses=9)
    large = candidate("large", own=10**9, uses=9)
    cheap = candidate("cheap", load=0.01, uses=9)
    assert names(least_worth([often, rare, large, cheap], 0)) == ["large", "cheap", "rare", "often"]


def test_old_uses_fade():
    assert decayed(8, HALF_LIFE_S * 2) == pytest.approx(2)
    assert names(
        least_worth([candidate("a", uses=4, used=0), candidate("b", uses=2, used=900)], 900)
    ) == ["a", "b"]
