"""The ring of invocations: the last ones, by name, in bounded memory."""

from __future__ import annotations

import pytest

from mme.core.invocation_log import Asked
from mme.core.request_ring import MOST_NAME_CHARS, RequestRing
from mme.core.timing import Timing

TIMING = Timing(0.5, 0.25, 0.125, 0.0625, together=3)


def warm(target, meant=""):
    return Asked(target, meant=meant, outcome="warm", timing=TIMING)


def targets(ring, last=None):
    return [row.target for row in ring.rows(*ring.span(last))]


def test_a_row_has_when_it_came_and_where_its_time_went():
    ring = RequestRing(4, clock=lambda: 100.0)
    ring.add(warm("a"), 200, 2.0)
    (row,) = ring.rows(*ring.span(None))
    assert row == (98.0, "a", 200, "warm", 3, 0.5, 0.25, 0.125, 0.0625, 2.0)


def test_the_last_ones_are_kept_in_their_order():
    ring = RequestRing(3)
    for name in "abcde":
        ring.add(warm(name), 200, 0.0)
    assert targets(ring) == ["c", "d", "e"]
    assert targets(ring, 2) == ["d", "e"]
    assert targets(ring, 9) == ["c", "d", "e"]


def test_of_an_alias_what_it_meant_is_kept():
    ring = RequestRing(1)
    ring.add(warm("a", "a-2.tar.gz"), 200, 0.0)
    assert targets(ring) == ["a-2.tar.gz"]


@pytest.mark.parametrize(("status", "kept"), [(404, []), (400, []), (503, ["a"]), (429, ["a"])])
def test_what_came_to_no_model_is_kept_only_if_there_was_no_room_for_it(status, kept):
    ring = RequestRing(3)
    ring.add(Asked("a"), status, 0.0)
    assert targets(ring) == kept


def test_none_are_kept_without_room():
    ring = RequestRing(0)
    ring.add(warm("a"), 200, 0.0)
    assert targets(ring) == []


def test_names_that_no_row_has_any_more_are_forgotten():
    ring = RequestRing(10)
    for number in range(1000):
        ring.add(warm(f"model {number}"), 200, 0.0)
    assert targets(ring) == [f"model {number}" for number in range(990, 1000)]
    assert len(ring._numbers) <= 20


def test_names_that_are_too_long_together_empty_the_ring():
    ring = RequestRing(1000)
    long = MOST_NAME_CHARS // 10
    for number in range(12):
        ring.add(warm(f"{number:0{long}}"), 200, 0.0)
    assert len(targets(ring)) < 12
    assert sum(map(len, ring._numbers)) <= MOST_NAME_CHARS
    assert targets(ring)[-1].endswith("11")
