"""How often each caller may ask, and for how much at a time."""

from __future__ import annotations

import pytest

from mme.access.limits import MOST_CALLERS, Limits, name_of_address
from mme.access.refusals import Throttled


class Clock:
    """A clock that is moved by hand."""

    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


def taken(limits, caller, most=100):
    """How many requests of a caller pass in a row."""
    for count in range(most):
        try:
            limits.take(caller)
        except Throttled:
            return count
    return most


def test_a_caller_may_ask_as_often_as_the_rate_says_each_for_itself(clock):
    limits = Limits(10, clock=clock)
    assert taken(limits, "a") == 10
    assert taken(limits, "b") == 10
    clock.now_s = 0.55
    assert taken(limits, "a") == 5
    clock.now_s = 100
    assert taken(limits, "a") == 10


@pytest.mark.parametrize(("rate", "retry_after_s"), [(10, 1), (0.1, 10), (0.3, 4)])
def test_one_too_many_is_told_when_to_come_again(clock, rate, retry_after_s):
    limits = Limits(rate, clock=clock)
    taken(limits, "a")
    with pytest.raises(Throttled, match="'a' may ask") as refusal:
        limits.take("a")
    assert refusal.value.retry_after_s == retry_after_s
    clock.now_s = retry_after_s
    limits.take("a")


def test_what_is_refused_does_not_put_off_the_next(clock):
    limits = Limits(1, clock=clock)
    taken(limits, "a")
    for _ in range(10):
        clock.now_s += 0.09
        with pytest.raises(Throttled):
            limits.take("a")
    clock.now_s = 1.0
    limits.take("a")


@pytest.mark.hostile("HTTP")
def test_callers_without_end_take_no_memory_without_end(clock):
    limits = Limits(1, clock=clock)
    for number in range(MOST_CALLERS + 100):
        limits.take(str(number))
    assert len(limits._stores) == MOST_CALLERS


def test_a_caller_may_have_so_many_requests_under_way():
    limits = Limits(None, 2)
    limits.begin("a")
    limits.begin("a")
    limits.begin("b")
    with pytest.raises(Throttled, match="'a' may have 2 under way"):
        limits.begin("a")
    limits.end("a")
    limits.begin("a")
    for caller in ("a", "a", "b"):
        limits.end(caller)
    assert not limits._under_way


def test_without_limits_nothing_is_counted():
    limits = Limits()
    for _ in range(1000):
        limits.take("a")
        limits.begin("a")
    limits.end("a")
    assert not limits._stores
    assert not limits._under_way


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.1"),
        (None, "local"),
        ("", "local"),
        ("?", "?"),
    ],
)
def test_an_address_counts_with_all_that_its_owner_has(address, name):
    assert name_of_address(address) == name
