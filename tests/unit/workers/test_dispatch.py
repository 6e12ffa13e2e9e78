"""Which request goes to which worker: each rule by example."""

from __future__ import annotations

import pytest

from mme.workers.given import Given
from mme.workers.times import MOST_TIMES, SLOW_S
from tests.support.dispatched import Item, bring, models, with_workers

QUICK_S = SLOW_S / 100
SLOW = SLOW_S * 2


def make_slow(dispatch, clock, model, **facts):
    """Have a request of the model take long."""
    (given,) = dispatch.submit(Item(model, **facts))
    clock.now_s += SLOW
    dispatch.answered(given.worker)


def test_a_request_goes_to_an_idle_worker_at_once(dispatch):
    with_workers(dispatch, "w1")
    request = Item("m")
    assert dispatch.submit(request) == [Given("w1", request)]
    assert dispatch.waiting("m") == 0


def test_without_workers_requests_wait_and_a_worker_that_joins_gets_the_first(dispatch):
    first, second = Item("m"), Item("m")
    assert dispatch.submit(first) == dispatch.submit(second) == []
    assert dispatch.waiting("m") == 2
    assert dispatch.join("w1") == [Given("w1", first)]
    assert dispatch.answered("w1") == [Given("w1", second)]


def test_requests_of_one_model_are_served_in_the_order_they_came(dispatch):
    requests = [Item("m") for _ in range(5)]
    with_workers(dispatch, "w1")
    given = [each for request in requests for each in dispatch.submit(request)]
    for _ in requests:
        given += dispatch.answered("w1")
    assert [each.request for each in given] == requests


def test_models_take_turns_however_many_requests_one_has(dispatch):
    with_workers(dispatch, "w1")
    for model in ("hot", "hot", "hot", "hot", "cold"):
        dispatch.submit(Item(model))
    assert models(dispatch.answered("w1")) == ["hot"]
    assert models(dispatch.answered("w1")) == ["cold"]
    assert models(dispatch.answered("w1")) == ["hot"]


def test_an_idle_worker_that_has_the_model_comes_first(dispatch):
    with_workers(dispatch, "w1", "w2", "w3")
    bring(dispatch, "w1", "other")
    bring(dispatch, "w2", "m")
    assert [each.worker for each in dispatch.submit(Item("m"))] == ["w2"]


def test_if_no_idle_worker_has_the_model_the_one_with_the_fewest_models_takes_it(dispatch):
    with_workers(dispatch, "w1", "w2")
    bring(dispatch, "w1", "a")
    assert [each.worker for each in dispatch.submit(Item("b"))] == ["w2"]


def test_all_idle_workers_are_given_what_waits(dispatch):
    for model in ("a", "a", "b"):
        dispatch.submit(Item(model))
    assert models(dispatch.join("w1")) == ["a"]
    assert models(dispatch.join("w2")) == ["b"]
    assert models(dispatch.join("w3")) == ["a"]


# ---- heavy models


def test_a_heavy_model_gets_no_more_workers_than_its_share(dispatch):
    with_workers(dispatch, "w1", "w2")
    assert models(dispatch.submit(Item("h", is_heavy=True))) == ["h"]
    assert dispatch.submit(Item("h", is_heavy=True)) == []
    assert models(dispatch.submit(Item("light"))) == ["light"]


def test_a_heavy_model_goes_to_the_worker_that_has_it_even_if_another_idles_longer(dispatch):
    with_workers(dispatch, "w1", "w2")
    dispatch.submit(Item("light"))
    bring(dispatch, "w2", "h", is_heavy=True)
    dispatch.answered("w1")
    assert [each.worker for each in dispatch.submit(Item("h", is_heavy=True))] == ["w2"]


def test_a_heavy_model_that_was_dropped_may_go_to_another_worker(dispatch):
    with_workers(dispatch, "w1", "w2")
    bring(dispatch, "w1", "h", is_heavy=True)
    dispatch.dropped("w1", "h")
    dispatch.submit(Item("light"))
    assert [each.worker for each in dispatch.submit(Item("h", is_heavy=True))] == ["w2"]


def test_a_heavy_model_waits_behind_no_other(dispatch):
    with_workers(dispatch, "w1", "w2")
    dispatch.submit(Item("h", is_heavy=True))
    dispatch.submit(Item("h", is_heavy=True))
    dispatch.submit(Item("a"))
    dispatch.submit(Item("b"))
    # Its turn stays the first: the worker that may take it does.
    assert models(dispatch.answered("w1")) == ["h"]


@pytest.mark.parametrize("end", ["leave", "retire and leave"])
def test_when_the_only_worker_of_a_heavy_model_goes_another_takes_what_waits(dispatch, end):
    with_workers(dispatch, "w1", "w2")
    bring(dispatch, "w1", "h", is_heavy=True)
    dispatch.submit(Item("h", is_heavy=True))
    if end != "leave":
        dispatch.answered("w1")
        dispatch.retire("w1")
    assert dispatch.submit(Item("h", is_heavy=True)) == []
    assert [each.worker for each in dispatch.leave("w1")] == ["w2"]


# ---- slow models


def test_a_slow_model_leaves_a_worker_for_quick_ones(dispatch, clock):
    with_workers(dispatch, "w1", "w2")
    make_slow(dispatch, clock, "slow")
    assert models(dispatch.submit(Item("slow"))) == ["slow"]
    assert dispatch.submit(Item("slow")) == []
    assert models(dispatch.submit(Item("quick"))) == ["quick"]


def test_a_model_whose_present_request_takes_long_is_slow_before_it_has_answered(dispatch, clock):
    with_workers(dispatch, "w1", "w2")
    dispatch.submit(Item("slow"))
    clock.now_s += SLOW
    assert dispatch.submit(Item("slow")) == []


def test_different_slow_models_share_the_limit(dispatch, clock):
    with_workers(dispatch, "w1", "w2", "w3")
    for model in ("a", "b", "c"):
        make_slow(dispatch, clock, model)
    given = [dispatch.submit(Item(model)) for model in ("a", "b", "c")]
    assert [models(each) for each in given] == [["a"], ["b"], []]


def test_large_requests_of_models_that_were_quick_leave_a_worker_for_others(dispatch, clock):
    with_workers(dispatch, "w1", "w2", "w3")
    given = [dispatch.submit(Item(model, is_large=True)) for model in ("a", "b", "c")]
    assert [models(each) for each in given] == [["a"], ["b"], []]
    assert models(dispatch.submit(Item("c"))) == []
    assert models(dispatch.submit(Item("d"))) == ["d"]
    assert models(dispatch.answered("w1")) == ["c"]


def test_a_pool_of_one_serves_slow_models(dispatch, clock):
    with_workers(dispatch, "w1")
    make_slow(dispatch, clock, "slow")
    assert models(dispatch.submit(Item("slow"))) == ["slow"]


def test_quick_answers_make_a_slow_model_quick_again(dispatch, clock):
    with_workers(dispatch, "w1", "w2")
    make_slow(dispatch, clock, "m")
    for _ in range(10):
        (given,) = dispatch.submit(Item("m"))
        clock.now_s += QUICK_S
        dispatch.answered(given.worker)
    assert dispatch.submit(Item("m"))
    assert dispatch.submit(Item("m"))


def test_when_a_model_turns_out_to_be_quick_all_idle_workers_take_what_waits(dispatch, clock):
    with_workers(dispatch, "w1", "w2", "w3", "w4")
    make_slow(dispatch, clock, "m")
    given = [each for _ in range(6) for each in dispatch.submit(Item("m"))]
    assert len(given) == 3
    clock.now_s += QUICK_S
    assert len(dispatch.answered("w1")) == 1
    assert sorted(each.worker for each in dispatch.answered("w2")) == ["w2", "w4"]


def test_a_slow_request_that_waits_goes_to_the_worker_that_joins(dispatch, clock):
    with_workers(dispatch, "w1", "w2")
    make_slow(dispatch, clock, "slow")
    dispatch.submit(Item("slow"))
    dispatch.submit(Item("slow"))
    assert models(dispatch.join("w3")) == ["slow"]


def test_when_a_worker_with_a_slow_request_goes_another_takes_the_next(dispatch, clock):
    with_workers(dispatch, "w1", "w2", "w3")
    make_slow(dispatch, clock, "slow")
    for _ in range(3):
        dispatch.submit(Item("slow"))
    assert dispatch.waiting("slow") == 1
    assert dispatch.leave("w1") == []  # a pool of two, and one of them computes a slow one
    assert models(dispatch.join("w4")) == ["slow"]


def test_only_so_many_models_times_are_remembered(dispatch, clock):
    with_workers(dispatch, "w1", "w2")
    make_slow(dispatch, clock, "first")
    for n in range(MOST_TIMES):
        make_slow(dispatch, clock, f"m{n}")
    assert dispatch.submit(Item("first"))
    assert dispatch.submit(Item("first"))  # forgotten that it was slow


# ---- pipelines


def test_a_model_goes_to_a_worker_that_has_its_pipeline(dispatch):
    dispatch.join("plain", pipelines=frozenset())
    dispatch.join("german", pipelines=frozenset({"de"}))
    assert [each.worker for each in dispatch.submit(Item("m", pipeline="de"))] == ["german"]
    assert dispatch.submit(Item("m", pipeline="de")) == []
    assert [each.worker for each in dispatch.submit(Item("other"))] == ["plain"]


def test_a_worker_of_any_pipeline_takes_all(dispatch):
    dispatch.join("any", pipelines=None)
    assert [each.worker for each in dispatch.submit(Item("m", pipeline="de"))] == ["any"]


# ---- models with workers of their own


def test_a_worker_of_a_models_own_takes_that_model_only(dispatch):
    dispatch.join("own", own_model="m")
    assert dispatch.submit(Item("other")) == []
    request = Item("m", is_own=True)
    assert dispatch.submit(request) == [Given("own", request)]


def test_a_request_that_needs_an_own_worker_does_not_go_to_the_pool(dispatch):
    with_workers(dispatch, "w1")
    request = Item("m", is_own=True)
    assert dispatch.submit(request) == []
    assert dispatch.oldest() == []
    assert dispatch.oldest_of("m") is request
    assert dispatch.join("own", own_model="m") == [Given("own", request)]
    assert dispatch.oldest_of("m") is None


def test_a_model_may_have_several_workers_of_its_own(dispatch):
    for name in ("own1", "own2"):
        dispatch.join(name, own_model="m")
    given = [dispatch.submit(Item("m", is_own=True)) for _ in range(3)]
    assert [len(each) for each in given] == [1, 1, 0]
    assert {state.name for state in dispatch.group("m")} == {"own1", "own2"}
    dispatch.leave("own1")
    assert [state.name for state in dispatch.group("m")] == ["own2"]
    dispatch.leave("own2")
    assert dispatch.group("m") == []
