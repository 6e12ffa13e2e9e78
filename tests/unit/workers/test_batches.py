"""Which waiting requests go together: in their order, none lost, no more than the model takes."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mme.workers.batches import BATCH_S, SIZES, Batch, BatchSizes, batch_of, take
from mme.workers.dispatch import Dispatch
from tests.support.dispatched import Clock, Item, bring, with_workers

BATCH = Batch(4, 100)
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
TAKES = st.builds(Batch, st.integers(2, 8), st.integers(1, 200)) | st.none()


@st.composite
def queues(draw):
    """Requests to one model, some of which are to be computed alone."""
    batch = draw(TAKES)
    alone = draw(st.lists(st.tuples(st.booleans(), st.integers(0, 120)), min_size=1, max_size=20))
    return [
        Item("m", batch=None if is_alone else batch, size_bytes=size) for is_alone, size in alone
    ]


@PATIENT
@given(queues(), st.floats(0, 1))
def test_all_are_taken_in_their_order_each_once_and_within_the_bounds(items, average_s):
    waiting, taken = deque(items), []
    while waiting:
        together = take(waiting, average_s)
        taken += together
        first = together[0]
        if len(together) > 1:
            assert first.batch is not None
            assert all(each.batch is not None for each in together)
            assert len(together) <= first.batch.most
            assert sum(each.size_bytes for each in together) <= first.batch.most_bytes
            assert len(together) * average_s <= BATCH_S
    assert all(one is other for one, other in zip(taken, items, strict=True))


@PATIENT
@given(queues())
def test_whoever_could_go_along_is_not_left_behind(items):
    waiting = deque(items)
    while waiting:
        together = take(waiting, 0.0)
        batch = together[0].batch
        if batch is None or not waiting or waiting[0].batch is None:
            continue
        size_bytes = sum(each.size_bytes for each in together) + waiting[0].size_bytes
        assert len(together) == batch.most or size_bytes > batch.most_bytes


@pytest.mark.parametrize(
    ("average_s", "expected"), [(0.0, 4), (BATCH_S / 2, 2), (BATCH_S, 1), (10, 1)]
)
def test_a_batch_is_no_larger_than_what_is_computed_soon(average_s, expected):
    assert len(take(deque(Item("m", batch=BATCH) for _ in range(9)), average_s)) == expected


@pytest.mark.parametrize(
    "said",
    [
        None, {}, [], "16", {"max_requests": 4}, {"max_bytes": 4},
        {"max_requests": 4.0, "max_bytes": 9},
        {"max_requests": True, "max_bytes": 9}, {"max_requests": 0, "max_bytes": 9},
        {"max_requests": 4, "max_bytes": -1}, {"max_requests": "4", "max_bytes": 9},
        {"max_requests": 1, "max_bytes": 9},
    ],
)  # fmt: skip
def test_a_description_that_says_nothing_of_batches_offers_none(said):
    assert batch_of({"batch": said}, 16) is None


def test_a_description_may_offer_less_than_the_setting_and_is_given_no_more():
    assert batch_of({"batch": {"max_requests": 8, "max_bytes": 9}}, 16) == Batch(8, 9)
    assert batch_of({"batch": {"max_requests": 10**30, "max_bytes": 9}}, 16) == Batch(16, 9)
    assert batch_of({"batch": {"max_requests": 8, "max_bytes": 9}}, 1) is None
    assert batch_of({}, 16) is None


def test_sizes_are_counted_by_class():
    sizes = BatchSizes()
    for size in (1, 2, 3, 4, 64, 65):
        sizes.note(size)
    assert dict(zip((*SIZES, "more"), sizes.counts, strict=True)) == {
        1: 1, 2: 1, 4: 2, 8: 0, 16: 0, 32: 0, 64: 1, "more": 1,
    }  # fmt: skip
    assert sizes.requests == 139


# ---- in dispatch


@pytest.fixture
def loaded():
    """A dispatch with a worker that has a model and is computing for it."""
    dispatch: Dispatch[Item] = Dispatch(clock=Clock(), looks_ahead=True)
    with_workers(dispatch, "w1")
    bring(dispatch, "w1", "m", batch=BATCH)
    first = Item("m", batch=BATCH)
    assert [each.request for each in dispatch.submit(first)] == [first]
    return dispatch


def waiting(dispatch, count, **facts):
    items = [Item("m", **({"batch": BATCH} | facts)) for _ in range(count)]
    assert not any(dispatch.submit(each) for each in items)
    return items


def test_what_waits_when_a_worker_falls_idle_goes_to_it_at_once(loaded):
    items = waiting(loaded, 6)
    (given,) = loaded.answered("w1")
    assert [given.request, *given.others] == items[:4]
    (given,) = loaded.answered("w1")
    assert [given.request, *given.others] == items[4:]
    assert loaded.answered("w1") == []


def test_a_worker_that_has_not_the_model_is_given_one(loaded):
    items = waiting(loaded, 3)
    (given,) = loaded.join("w2")
    assert (given.worker, given.request, given.others) == ("w2", items[0], ())


def test_models_have_their_turns_a_batch_being_one(loaded):
    waiting(loaded, 6)
    other = Item("other")
    loaded.submit(other)
    loaded.answered("w1")
    assert [each.request for each in loaded.answered("w1")] == [other]


def test_a_batch_that_comes_back_keeps_its_order_ahead_of_others(loaded):
    items = waiting(loaded, 5)
    loaded.answered("w1")
    loaded.leave("w1")
    assert loaded.submit_again(*items[:4]) == []
    assert loaded.take_all("m") == items


def test_a_batch_counts_for_its_models_time_as_its_requests_do(loaded):
    items = waiting(loaded, 4)
    loaded.answered("w1")
    loaded._clock.now_s += 0.04
    loaded.answered("w1")
    assert loaded._times.average_s("m") == pytest.approx(0.3 * 0.01)
    assert items


def test_a_batch_does_not_look_like_a_slow_request(loaded):
    waiting(loaded, 4)
    loaded.answered("w1")
    loaded._clock.now_s += 0.2
    (state,) = loaded.group()
    assert state.runs_s == pytest.approx(0.05)
