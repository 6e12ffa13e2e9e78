"""Requests by the time at which they are over, against a plain list of them."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from mme.workers.requests import Deadlines
from tests.support.dispatched import request_until


async def test_a_request_expires_when_its_time_is_over_and_not_before():
    deadlines = Deadlines()
    request = request_until(10.5)
    deadlines.add(request)
    assert deadlines.expired(10.4) == []
    assert deadlines.expired(10.5) == [request]


async def test_one_that_has_its_answer_does_not_expire():
    deadlines = Deadlines()
    request = request_until(10.0)
    deadlines.add(request)
    request.answer.cancel()
    assert request.is_over
    assert deadlines.expired(11.0) == []
    assert deadlines.all() == [request]


async def test_what_is_removed_is_forgotten_and_may_be_removed_again():
    deadlines = Deadlines()
    request, other = request_until(10.0), request_until(10.1)
    for each in (request, other):
        deadlines.add(each)
    for _ in range(2):
        deadlines.remove(request)
    assert deadlines.all() == [other]
    deadlines.remove(other)
    deadlines.remove(other)
    assert deadlines.all() == []


@given(st.lists(st.tuples(st.floats(0, 20), st.booleans())), st.floats(0, 20))
def test_expired_are_all_whose_time_is_over(times, now_s):
    async def check() -> None:
        deadlines = Deadlines()
        kept = []
        for deadline_s, is_removed in times:
            request = request_until(deadline_s)
            deadlines.add(request)
            if is_removed:
                deadlines.remove(request)
            else:
                kept.append(request)
        assert set(deadlines.all()) == set(kept)
        expired = {request for request in kept if request.deadline_s <= now_s}
        assert set(deadlines.expired(now_s)) == expired

    asyncio.run(check())
