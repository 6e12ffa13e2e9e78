"""Requests that come back or leave; workers that are held, retired, gone; what is known then."""

from __future__ import annotations

import pytest

from mme.workers.given import Given
from tests.support.dispatched import Item, bring, models, with_workers

# ---- requests that come back, leave, fail


def test_a_request_no_worker_saw_comes_back_ahead_of_all_others(dispatch):
    with_workers(dispatch, "w1")
    lost = Item("a")
    dispatch.submit(lost)
    for model in ("b", "a"):
        dispatch.submit(Item(model))
    assert dispatch.submit_again(lost) == []  # w1 has not left yet
    dispatch.leave("w1")
    assert dispatch.join("w2") == [Given("w2", lost)]
    assert models(dispatch.answered("w2")) == ["b"]


def test_an_own_request_comes_back_ahead_too(dispatch):
    dispatch.join("own", own_model="m")
    lost = Item("m", is_own=True)
    dispatch.submit(lost)
    dispatch.submit(Item("m", is_own=True))
    dispatch.submit_again(lost)
    dispatch.leave("own")
    assert dispatch.join("own2", own_model="m") == [Given("own2", lost)]


@pytest.mark.parametrize("is_own", [False, True])
def test_a_waiting_request_can_be_withdrawn_once(dispatch, is_own):
    request, other = Item("m", is_own=is_own), Item("m", is_own=is_own)
    dispatch.submit(request)
    dispatch.submit(other)
    assert dispatch.withdraw(request)
    assert not dispatch.withdraw(request)
    assert dispatch.waiting("m") == 1
    assert dispatch.withdraw(other)
    assert dispatch.waiting("m") == 0
    assert not dispatch.withdraw(Item("unknown", is_own=is_own))


def test_a_request_in_a_worker_cannot_be_withdrawn(dispatch):
    with_workers(dispatch, "w1")
    request = Item("m")
    dispatch.submit(request)
    assert not dispatch.withdraw(request)


def test_all_of_a_models_requests_can_be_taken_out(dispatch):
    pooled, own, other = Item("m"), Item("m", is_own=True), Item("other")
    for request in (pooled, other, own):
        dispatch.submit(request)
    assert dispatch.take_all("m") == [pooled, own]
    assert dispatch.take_all("m") == []
    assert dispatch.join("w1") == [Given("w1", other)]


# ---- workers that are held, retired, gone


def test_a_held_worker_gets_nothing_until_it_is_freed(dispatch):
    with_workers(dispatch, "w1")
    dispatch.hold("w1")
    request = Item("m")
    assert dispatch.submit(request) == []
    assert not dispatch.is_free("w1")
    assert dispatch.freed("w1") == [Given("w1", request)]


def test_a_worker_may_be_held_while_it_computes(dispatch):
    with_workers(dispatch, "w1")
    dispatch.submit(Item("m"))
    dispatch.submit(Item("m"))
    dispatch.hold("w1")
    assert dispatch.answered("w1") == []
    assert models(dispatch.freed("w1")) == ["m"]


def test_a_retired_worker_ends_what_it_has_and_gets_no_more(dispatch):
    with_workers(dispatch, "w1")
    dispatch.submit(Item("m"))
    dispatch.submit(Item("m"))
    dispatch.retire("w1")
    assert dispatch.group() == []
    assert not dispatch.is_free("w1")
    assert dispatch.answered("w1") == []
    assert dispatch.is_free("w1")


def test_what_is_said_of_unknown_workers_is_no_matter(dispatch):
    for say in (dispatch.retire, dispatch.hold, dispatch.freed, dispatch.leave):
        assert not say("gone")
    dispatch.dropped("gone", "m")
    assert dispatch.is_free("gone")


# ---- what is known of models and workers


def test_models_are_where_they_were_answered_until_dropped_or_the_worker_goes(dispatch):
    with_workers(dispatch, "w1", "w2")
    bring(dispatch, "w1", "a")
    dispatch.submit(Item("a"))
    bring(dispatch, "w2", "b")
    assert dispatch.having("a") == {"w1"}
    assert sorted(dispatch.resident()) == ["a", "b"]
    dispatch.answered("w1", dropped=["a"], has_model=False)
    assert dispatch.having("a") == frozenset()
    dispatch.leave("w2")
    assert not dispatch.resident()


def test_a_model_that_could_not_be_loaded_is_not_there(dispatch):
    with_workers(dispatch, "w1")
    dispatch.submit(Item("m"))
    dispatch.answered("w1", has_model=False)
    assert not dispatch.resident()


def test_a_worker_that_dropped_a_model_for_itself_has_it_again(dispatch):
    with_workers(dispatch, "w1")
    bring(dispatch, "w1", "m")
    dispatch.submit(Item("m"))
    dispatch.answered("w1", dropped=["m"])
    assert dispatch.having("m") == {"w1"}


def test_scaling_sees_how_long_workers_compute_and_idle(dispatch, clock):
    with_workers(dispatch, "w1", "w2", "w3")
    request = Item("m")
    dispatch.submit(request)
    clock.now_s += 3
    dispatch.hold("w3")
    seen = {state.name: (state.runs_s, state.idle_s, state.models) for state in dispatch.group()}
    assert seen == {"w1": (3, 0, 0), "w2": (0, 3, 0), "w3": (0, 0, 0)}
    assert dispatch.requests_in_workers() == [("w1", request, clock.now_s - 3)]
    dispatch.answered("w1")
    assert {state.name: state.models for state in dispatch.group()}["w1"] == 1


def test_the_oldest_request_of_each_model_is_seen(dispatch):
    first, other = Item("a"), Item("b")
    for request in (first, Item("a"), other, Item("c", is_own=True)):
        dispatch.submit(request)
    assert dispatch.oldest() == [first, other]
