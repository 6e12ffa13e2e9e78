"""Counts of invocations."""

from __future__ import annotations

from mme.core.statistics import BOUNDS_S, LEFT, Statistics


class Clock:
    def __init__(self):
        self.now_s = 1000.5

    def __call__(self):
        return self.now_s


def test_invocations_are_counted_by_outcome_and_result():
    counted = Statistics(Clock())
    counted.answered("a", "first", 200, 0.3)
    counted.answered("a", "warm", 400, 0.001)
    counted.failed("a", "warm", "ModelTimedOut", 60.0, is_known=True)
    counted.failed("x", "first", "TargetNotFound", 0.001, is_known=False)
    counted.failed("a", "warm", LEFT, 0.1, is_known=True)
    assert counted.results == {
        ("first", "2xx"): 1,
        ("warm", "4xx"): 1,
        ("warm", "ModelTimedOut"): 1,
        ("first", "TargetNotFound"): 1,
        ("warm", LEFT): 1,
    }
    assert (counted.requests, counted.errors) == (5, 3)
    of_a = counted.of("a")
    assert of_a is not None
    assert (of_a.requests, of_a.errors) == (4, 2)
    assert counted.of("x") is None


def test_a_latency_belongs_to_the_class_whose_end_it_does_not_exceed():
    counted = Statistics(Clock())
    for seconds in (0.0, BOUNDS_S[0], BOUNDS_S[0] * 1.01, BOUNDS_S[-1] * 2):
        counted.answered("a", "cold", 200, seconds)
    histogram = counted.histograms["cold"]
    assert histogram.counts == [2, 1, *[0] * (len(BOUNDS_S) - 2), 1]
    assert sum(counted.histograms["warm"].counts) == 0


def test_quantiles_are_those_of_the_last_requests():
    counted = Statistics(Clock())
    for number in range(1000):
        counted.answered("a", "warm", 200, float(number))
    of_a = counted.of("a")
    assert of_a is not None
    p50, p99 = of_a.latencies.quantiles(0.5, 0.99)
    assert (p50, p99) == (936.0, 998.0)
    assert Statistics().latencies.quantiles(0.5) == [None]


def test_the_targets_used_longest_ago_are_forgotten():
    clock = Clock()
    counted = Statistics(clock, most=2)
    for target in ("a", "b", "a", "c"):
        counted.answered(target, "warm", 200, 0.1)
        clock.now_s += 1
    assert counted.of("b") is None
    assert [each.target for each in counted.used_since(1002.0)] == ["c", "a"]
    assert counted.requests == 4


def test_a_rate_is_that_of_the_last_whole_seconds():
    clock = Clock()
    counted = Statistics(clock)
    assert counted.per_s() == 0.0
    for _ in range(20):
        for _ in range(7):
            counted.answered("a", "warm", 200, 0.1)
        clock.now_s += 1
    assert counted.per_s() == 7.0
    clock.now_s += 100
    assert counted.per_s() == 0.0
