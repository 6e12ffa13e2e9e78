"""Which models have series of their own: bounded, and no count ever falls."""

from __future__ import annotations

import random

import pytest

from mme.core.statistics import Statistics
from mme.metrics.named_models import HALF_LIFE_S, OTHERS, RANK_EVERY_S, NamedModels


class Clock:
    now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def statistics(clock) -> Statistics:
    return Statistics(clock)


def use(statistics: Statistics, target: str, times: int = 1) -> None:
    for _ in range(times):
        statistics.answered(target, "warm", 200, 0.25)


def requests(named: NamedModels) -> dict[str, int]:
    return {target: counts.requests for target, counts in named.counts()}


def test_all_are_named_while_there_is_room(statistics, clock):
    named = NamedModels(statistics, 3, clock)
    use(statistics, "a", 2)
    use(statistics, "b")
    assert requests(named) == {"a": 2, "b": 1, OTHERS: 0}
    use(statistics, "c", 5)
    assert requests(named) == {"c": 5, "a": 2, "b": 1, OTHERS: 0}


def test_those_used_most_are_named_and_the_rest_is_summed(statistics, clock):
    named = NamedModels(statistics, 2, clock)
    for target, times in {"a": 5, "b": 1, "c": 7, "d": 2}.items():
        use(statistics, target, times)
    statistics.failed("b", "warm", "Busy", 0.5, is_known=True)
    counts = dict(named.counts())
    assert list(counts) == ["c", "a", OTHERS]
    assert counts[OTHERS].requests == 4
    assert counts[OTHERS].errors == 1
    assert counts[OTHERS].seconds == pytest.approx(3 * 0.25 + 0.5)


def test_none_may_be_named(statistics, clock):
    named = NamedModels(statistics, 0, clock)
    use(statistics, "a", 3)
    assert requests(named) == {OTHERS: 3}


def test_a_model_that_is_used_more_takes_the_place_of_one_that_rests(statistics, clock):
    named = NamedModels(statistics, 1, clock)
    use(statistics, "a", 100)
    assert requests(named) == {"a": 100, OTHERS: 0}
    clock.now_s += 10 * HALF_LIFE_S
    use(statistics, "b", 10)
    assert requests(named) == {"b": 10, OTHERS: 0}
    clock.now_s += 10 * HALF_LIFE_S
    use(statistics, "a", 50)
    assert requests(named) == {"a": 150, OTHERS: 0}, "its series goes on where it stopped"


def test_a_little_more_use_is_no_reason_to_change(statistics, clock):
    named = NamedModels(statistics, 1, clock)
    use(statistics, "a", 10)
    requests(named)
    clock.now_s += RANK_EVERY_S
    use(statistics, "b", 12)
    assert requests(named) == {"a": 10, OTHERS: 12}


def test_no_count_falls_and_none_is_lost_whoever_is_named(statistics, clock):
    named = NamedModels(statistics, 3, clock)
    dice = random.Random(7)  # noqa: S311 - a fixed sequence
    last: dict[str, int] = {}
    seen_in_all = 0
    for _ in range(300):
        clock.now_s += dice.uniform(0, 400)
        came = dice.randrange(20)
        for _ in range(came):
            use(statistics, f"m{dice.randrange(8)}")
        now = requests(named)
        assert len(now) <= 4
        assert all(now[target] >= last.get(target, 0) for target in now)
        grown = sum(count - last.get(target, 0) for target, count in now.items())
        assert grown == came
        seen_in_all += grown
        last |= now
    assert seen_in_all == statistics.requests


def test_a_clock_that_goes_back_loses_nothing(statistics, clock):
    named = NamedModels(statistics, 2, clock)
    use(statistics, "a")
    requests(named)
    clock.now_s -= 3600
    use(statistics, "a")
    requests(named)
    use(statistics, "a")
    assert requests(named)["a"] == 3
