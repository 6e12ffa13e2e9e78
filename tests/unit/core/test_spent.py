"""Where time went: summed since the start, and since it was last taken."""

from __future__ import annotations

import pytest

from mme.core.durations import Durations
from mme.core.events import Events
from mme.core.spent import Spent
from mme.core.timing import Timing


def test_an_invocation_is_split_into_model_waiting_and_overhead():
    spent = Spent()
    timing = Timing(fetch_s=0.5, queue_s=0.25, load_s=0.125, model_s=1.0)
    spent.answered(timing, 2.0, is_warm=False)
    whole = spent.whole()
    assert whole["latency"].total_s == 1.25
    assert whole["wait"].total_s == 0.625
    assert whole["overhead"].total_s == 0.125
    assert spent.stages == {"fetch": 0.5, "queue": 0.25, "load": 0.125, "model": 1.0}


def test_a_warm_invocation_has_waited_for_no_model():
    spent = Spent()
    spent.answered(Timing(model_s=0.5), 0.5, is_warm=True)
    assert spent.whole()["wait"].count == 0
    assert spent.whole()["overhead"].total_s == 0.0


def test_events_say_what_took_time_and_what_was_freed():
    spent, events = Spent(), Events()
    events.listen(spent.heard)
    events.note("loaded", "m", "", load_s=1.0)
    events.note("evicted", "m", "", unload_s=0.5, freed_bytes=10)
    events.note("evicted", "m", "", freed_bytes="none", idle_s=7.0)
    events.note("rested", "", "")
    assert spent.whole()["loading"].count == spent.whole()["unloading"].count == 1
    assert spent.evicted_bytes == 10


def test_what_was_taken_is_not_taken_again_but_stays_in_the_whole():
    spent = Spent()
    spent.answered(Timing(model_s=1.0), 1.0, is_warm=True)
    assert spent.take()["latency"].count == 1
    spent.answered(Timing(model_s=3.0), 3.0, is_warm=True)
    taken = spent.take()["latency"]
    assert (taken.count, taken.least_s, taken.most_s) == (1, 3.0, 3.0)
    assert spent.take()["latency"].count == 0
    whole = spent.whole()["latency"]
    assert (whole.count, whole.total_s, whole.least_s, whole.most_s) == (2, 4.0, 1.0, 3.0)


def test_durations_are_put_together_with_none():
    few = Durations()
    few.add(2.0)
    for together in (few.with_all_of(Durations()), Durations().with_all_of(few)):
        assert (together.count, together.least_s, together.most_s) == (1, 2.0, 2.0)
    assert few.with_all_of(few).total_s == pytest.approx(4.0)
