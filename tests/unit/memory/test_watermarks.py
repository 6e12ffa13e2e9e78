"""Memory decisions: which models leave, how many, and when a load waits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mme.memory import Amount, Candidate, Reading, Watermarks
from mme.memory.watermarks import Stock, make_room, most_tasks, relieve

MARKS = Watermarks(high=0.85, low=0.75, settle_s=2.0)
ENDLESS = Reading(2**31, 0)


def candidate(name, own=10, *, tasks=0, used=0.0):
    return Candidate(name, own_bytes=own, tasks=tasks, load_s=1.0, last_used_s=used, uses=1.0)


def names(candidates):
    return [each.name for each in candidates]


def stock(used_bytes, used_tasks=0, limit_tasks=2**31):
    return Stock(Reading(1000, used_bytes), Reading(limit_tasks, used_tasks))


def test_below_the_high_watermark_no_model_leaves():
    assert relieve(stock(850), MARKS, [candidate("a", 500)]) == ()


def test_above_it_the_least_valuable_leave_until_below_the_low_one():
    in_order = [candidate(name, 50) for name in "abcde"]
    assert names(relieve(stock(860), MARKS, in_order)) == ["a", "b", "c"]


def test_where_all_are_too_few_all_leave():
    assert names(relieve(stock(990), MARKS, [candidate("a"), candidate("b")])) == ["a", "b"]


def test_of_a_few_tasks_sixteen_stay_free_and_of_many_a_twentieth():
    assert most_tasks(256) == (240, 224)
    assert most_tasks(2000) == (1900, 1800)


def test_short_of_tasks_only_models_that_have_some_leave():
    in_order = [candidate("pool", 500), candidate("a", tasks=8), candidate("b", tasks=8),
                candidate("c", tasks=8)]  # fmt: skip
    assert relieve(stock(100, 240, 256), MARKS, in_order) == ()
    assert names(relieve(stock(100, 241, 256), MARKS, in_order)) == ["a", "b", "c"]


def test_room_that_is_there_costs_no_model_anything():
    decision = make_room(stock(100), MARKS, Amount(700), [candidate("a")], now_s=100)
    assert (decision.fits, decision.leave) == (True, ())


def test_room_is_made_by_as_few_as_needed_in_order():
    in_order = [candidate(name, 50) for name in "abc"]
    decision = make_room(stock(800), MARKS, Amount(120), in_order, now_s=100)
    assert decision.fits
    assert names(decision.leave) == ["a", "b"]


def test_a_small_model_stays_where_a_large_one_must_leave_anyway():
    in_order = [candidate("small", 20), candidate("large", 500)]
    decision = make_room(stock(800), MARKS, Amount(300), in_order, now_s=100)
    assert names(decision.leave) == ["large"]


def test_a_model_used_a_moment_ago_does_not_leave_for_another():
    in_order = [candidate("busy", 500, used=99.0), candidate("idle", 20, used=1.0)]
    decision = make_room(stock(800), MARKS, Amount(300), in_order, now_s=100)
    assert (decision.fits, decision.leave) == (False, ())
    later = make_room(stock(800), MARKS, Amount(300), in_order, now_s=101.5)
    assert names(later.leave) == ["busy"]


def test_a_load_that_takes_no_tasks_does_not_wait_for_some():
    assert make_room(stock(100, 256, 256), MARKS, Amount(10), [], now_s=0).fits
    assert not make_room(stock(100, 256, 256), MARKS, Amount(10, 8), [], now_s=0).fits


def test_a_worker_leaves_for_the_tasks_of_another():
    in_order = [candidate("pool", 100), candidate("own", 100, tasks=8)]
    decision = make_room(stock(100, 240, 256), MARKS, Amount(10, 8), in_order, now_s=100)
    assert (decision.fits, names(decision.leave)) == (True, ["own"])


amounts = st.builds(Amount, st.integers(0, 2000), st.sampled_from([0, 8, 100]))


@given(
    used=st.tuples(st.integers(0, 2000), st.integers(0, 300)),
    needed=amounts,
    sizes=st.lists(st.tuples(st.integers(0, 300), st.sampled_from([0, 8])), max_size=12),
)
def test_what_leaves_makes_the_load_fit_and_nothing_leaves_in_vain(used, needed, sizes):
    in_order = [candidate(str(n), own, tasks=tasks) for n, (own, tasks) in enumerate(sizes)]

    def is_enough(leaving):
        free_bytes = 850 - used[0] + sum(each.own_bytes for each in leaving)
        free_tasks = 240 - used[1] + sum(each.tasks for each in leaving)
        return (needed.bytes == 0 or needed.bytes <= free_bytes) and (
            needed.tasks == 0 or needed.tasks <= free_tasks
        )

    decision = make_room(stock(used[0], used[1], 256), MARKS, needed, in_order, now_s=100)
    if decision.fits:
        assert is_enough(decision.leave)
        for each in decision.leave:
            assert not is_enough([other for other in decision.leave if other is not each])
    else:
        assert decision.leave == ()
        assert not is_enough(in_order)
