"""How many workers there shall be: the rule, in its cases and over time."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mme.workers.scaling import PATIENCE_S, STAY_S, Load, change, pool_size

LONG, SHORT = PATIENCE_S * 2, PATIENCE_S / 2
QUIET = Load(
    workers=2, starting=0, longest_wait_s=0.0, shortest_run_s=0.0, longest_idle_s=STAY_S / 2
)
HELD_UP = dataclasses.replace(QUIET, longest_wait_s=LONG, shortest_run_s=LONG, longest_idle_s=0.0)


def changed(load: Load, **facts: Any) -> int:
    return change(dataclasses.replace(load, **facts), 2, 4)


def test_below_the_fewest_one_more_is_wanted_whatever_they_do():
    assert changed(QUIET, workers=1) == 1
    assert changed(QUIET, workers=0) == 1


def test_those_that_are_starting_count():
    assert changed(QUIET, workers=1, starting=1) == 0


def test_when_a_request_waits_behind_slow_ones_one_more_is_wanted():
    assert changed(HELD_UP) == 1


@pytest.mark.parametrize(
    "facts",
    [
        {"longest_wait_s": SHORT},
        {"shortest_run_s": SHORT},  # they turn over quickly: its turn comes
        {"starting": 1},  # one at a time
        {"workers": 4},
        {"workers": 3, "starting": 1},
    ],
)
def test_otherwise_none_is(facts):
    assert changed(HELD_UP, **facts) == 0


def test_beyond_the_fewest_one_that_has_been_idle_for_long_goes():
    assert changed(QUIET, workers=3, longest_idle_s=STAY_S + 1) == -1
    assert changed(QUIET, workers=3, longest_idle_s=STAY_S - 1) == 0
    assert changed(QUIET, workers=2, longest_idle_s=STAY_S + 1) == 0


TIMES = st.floats(0, 100)
LOADS = st.builds(Load, st.integers(0, 9), st.integers(0, 9), TIMES, TIMES, TIMES)


@given(LOADS, st.integers(1, 5), st.integers(0, 5))
def test_their_number_never_leaves_its_bounds(load, fewest, more):
    wanted = change(load, fewest, fewest + more)
    there = load.workers + load.starting
    if wanted > 0:
        assert there < fewest + more
    if wanted < 0:
        assert load.workers > fewest


@pytest.mark.parametrize(
    ("least", "most", "cores", "size"),
    [
        (None, None, 1, (2, 6)),
        (None, None, 8, (8, 12)),
        (1, None, 8, (1, 5)),
        (3, 3, 8, (3, 3)),
        (None, 1, 8, (8, 8)),
    ],
)
def test_the_pool_is_as_large_as_there_are_cores_or_as_the_operator_says(least, most, cores, size):
    assert pool_size(least, most, cores) == size
