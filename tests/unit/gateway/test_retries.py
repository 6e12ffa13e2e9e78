"""Retries of a client and the request they belong to."""

from __future__ import annotations

import asyncio

import pytest

from mme.gateway import retries
from mme.gateway.retries import ATTEMPT, INVOCATION_ID, Retries, may_come_again
from tests.support.fake_engine import until

FIRST = {INVOCATION_ID: "call", ATTEMPT: "attempt=1; max=3"}
SECOND = {INVOCATION_ID: "call", ATTEMPT: "attempt=2; max=3"}
LAST = {INVOCATION_ID: "call", ATTEMPT: "attempt=3; max=3"}


class Work:
    """Something that ends when it is told to."""

    def __init__(self):
        self.begun = self.broken = 0
        self.may_end = asyncio.Event()

    async def __call__(self):
        self.begun += 1
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.broken += 1
            raise
        return f"answer {self.begun}"


async def settled():
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
def work():
    return Work()


def ask(calls, work, headers, body=b"body", identity=("endpoint",)):
    return asyncio.ensure_future(calls.answer(headers, identity, body, work))


async def leave(request):
    await settled()
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)


async def test_a_retry_gets_the_answer_of_the_request_its_client_has_left(work):
    calls: Retries[str] = Retries()
    await leave(ask(calls, work, FIRST))
    assert work.broken == 0
    retry = ask(calls, work, SECOND)
    await settled()
    work.may_end.set()
    assert await retry == "answer 1"
    assert work.begun == 1


async def test_a_retry_joins_one_whose_client_is_there_still(work):
    calls: Retries[str] = Retries()
    both = ask(calls, work, FIRST), ask(calls, work, LAST)
    await settled()
    work.may_end.set()
    assert {*await asyncio.gather(*both)} == {"answer 1"}


async def test_what_has_ended_is_not_joined(work):
    calls: Retries[str] = Retries()
    work.may_end.set()
    assert await ask(calls, work, FIRST) == "answer 1"
    assert await ask(calls, work, SECOND) == "answer 2"


@pytest.mark.parametrize("other", [{"body": b"other"}, {"identity": ("another",)}], ids=str)
async def test_another_request_under_the_same_name_is_answered_for_itself(work, other):
    calls: Retries[str] = Retries()
    both = ask(calls, work, FIRST), ask(calls, work, SECOND, **other)
    await settled()
    assert work.begun == 2
    work.may_end.set()
    await asyncio.gather(*both)


@pytest.mark.parametrize("headers", [{}, LAST, {INVOCATION_ID: "call"}], ids=str)
async def test_one_that_will_not_come_again_ends_with_its_client(work, headers):
    calls: Retries[str] = Retries()
    await leave(ask(calls, work, headers))
    assert work.broken == 1


async def test_what_nobody_comes_back_for_ends(work):
    calls: Retries[str] = Retries(grace_s=0.0)
    await leave(ask(calls, work, FIRST))
    await until(lambda: work.broken == 1 and not calls._running)


async def test_what_goes_on_without_clients_is_bounded(work, monkeypatch):
    monkeypatch.setattr(retries, "MOST_LEFT", 2)
    calls: Retries[str] = Retries()
    for number in range(4):
        await leave(ask(calls, work, {**FIRST, INVOCATION_ID: str(number)}))
    await settled()
    assert work.broken == 2


async def test_a_failure_is_told_to_all_that_wait():
    calls: Retries[str] = Retries()
    may_fail = asyncio.Event()

    async def failing():
        await may_fail.wait()
        raise KeyError("no")

    both = ask(calls, failing, FIRST), ask(calls, failing, SECOND)
    await settled()
    may_fail.set()
    outcomes = await asyncio.gather(*both, return_exceptions=True)
    assert [type(each) for each in outcomes] == [KeyError, KeyError]


@pytest.mark.parametrize(
    ("attempt", "expected"),
    [
        ("attempt=1; max=3", True),
        ("attempt=2;max=3", True),
        ("attempt=3; max=3", False),
        ("attempt=1", True),
        ("", False),
        ("attempt=x; max=3", False),
        ("attempt=1; max=3; ttl=x", False),
    ],
)
def test_attempts(attempt, expected):
    assert may_come_again(attempt) is expected


async def test_one_left_a_second_time_has_its_whole_time_again(work):
    calls: Retries[str] = Retries(grace_s=1000.0)
    await leave(ask(calls, work, FIRST))
    (running,) = calls._left
    first = running.giving_up
    await leave(ask(calls, work, SECOND))
    assert first is not None
    assert first.cancelled()
    assert running.giving_up is not None
    assert not running.giving_up.cancelled()


async def test_none_joins_what_is_being_given_up(work):
    calls: Retries[str] = Retries(grace_s=1000.0)
    await leave(ask(calls, work, FIRST))
    (running,) = calls._left
    running.give_up()
    retry = ask(calls, work, SECOND)
    await settled()
    work.may_end.set()
    assert await retry == "answer 2"
