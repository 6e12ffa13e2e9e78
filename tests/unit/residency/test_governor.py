"""Memory decisions: who leaves, how many, and when a load waits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mme.core.memory import MemoryReading
from mme.residency.governor import Watermarks, make_room, predicted_bytes, relieve
from mme.residency.policy import (
    HALF_LIFE_S,
    Candidate,
    decayed,
    least_recently_used,
    least_worth,
)

MARKS = Watermarks(high=0.85, low=0.75, settle_s=2.0)


def candidate(name, own=10, *, load=1.0, used=0.0, uses=1.0):
    return Candidate(name, own_bytes=own, load_s=load, last_used_s=used, uses=uses)


def names(candidates):
    return [each.name for each in candidates]


def test_below_the_high_watermark_nobody_leaves():
    assert relieve(MemoryReading(1000, 850), MARKS, [candidate("a", 500)]) == ()


def test_above_it_the_least_valuable_leave_until_below_the_low_one():
    in_order = [candidate(name, 50) for name in "abcde"]
    assert names(relieve(MemoryReading(1000, 860), MARKS, in_order)) == ["a", "b", "c"]


def test_room_that_is_there_costs_nobody_anything():
    decision = make_room(MemoryReading(1000, 100), MARKS, 700, [candidate("a")], now_s=100)
    assert (decision.fits, decision.leave) == (True, ())


def test_room_is_made_by_as_few_as_needed_in_order():
    in_order = [candidate(name, 50) for name in "abc"]
    decision = make_room(MemoryReading(1000, 800), MARKS, 120, in_order, now_s=100)
    assert decision.fits
    assert names(decision.leave) == ["a", "b"]


def test_a_model_used_a_moment_ago_does_not_leave_for_another():
    in_order = [candidate("busy", 500, used=99.0), candidate("idle", 20, used=1.0)]
    decision = make_room(MemoryReading(1000, 800), MARKS, 300, in_order, now_s=100)
    assert (decision.fits, decision.leave) == (False, ())
    later = make_room(MemoryReading(1000, 800), MARKS, 300, in_order, now_s=101.5)
    assert names(later.leave) == ["busy"]


@given(
    used=st.integers(0, 2000),
    needed=st.integers(0, 2000),
    sizes=st.lists(st.integers(0, 300), max_size=12),
)
def test_whoever_leaves_makes_the_load_fit_and_nobody_leaves_in_vain(used, needed, sizes):
    in_order = [candidate(str(n), size) for n, size in enumerate(sizes)]
    reading = MemoryReading(1000, used)
    decision = make_room(reading, MARKS, needed, in_order, now_s=100)
    freed = sum(each.own_bytes for each in decision.leave)
    if decision.fits:
        assert used + needed - freed <= 850
    else:
        assert decision.leave == ()
        assert used + needed - sum(sizes) > 850


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


def test_a_load_is_predicted_from_the_last_time_or_the_size_on_disk():
    assert predicted_bytes(123, 10**9) == 123
    assert predicted_bytes(None, 1000) > 1000
