"""Events: kept, told in order, found again by their ids."""

from __future__ import annotations

import asyncio
import logging

from mme.core.events import Events


def messages(events):
    return [event.message for event in events]


def test_events_are_told_in_order_whether_frequent_or_rare():
    events = Events(clock=lambda: 1.0)
    start = events.last_id
    events.note("arrived", "a", "first")
    events.note("loaded", "a", "second", level=logging.DEBUG, load_s=0.5)
    events.note("evicted", "b", "third")
    found = events.after(start)
    assert messages(found) == ["first", "second", "third"]
    assert (found[1].facts, found[1].at, found[1].target) == ({"load_s": 0.5}, 1.0, "a")
    assert messages(events.after(found[0].id)) == ["second", "third"]
    assert messages(events.after(start, limit=1)) == ["first"]
    assert messages(events.after(start, target="a")) == ["first", "second"]
    assert messages(events.latest(kinds=("evicted", "loaded"), limit=5)) == ["second", "third"]
    assert messages(events.latest(limit=2)) == ["second", "third"]
    assert events.after(events.last_id) == []


def test_what_is_frequent_does_not_push_out_what_is_rare():
    events = Events(most=10)
    events.note("worker_died", "", "rare")
    for number in range(100):
        events.note("loaded", "a", str(number), level=logging.DEBUG)
    assert messages(events.latest(limit=100)) == ["rare", *map(str, range(90, 100))]
    assert events.counts["loaded"] == 100


def test_ids_grow_from_one_start_to_the_next():
    first = Events(clock=lambda: 1000.0)
    for _ in range(50):
        first.note("loaded", "a", "x")
    assert Events(clock=lambda: 1001.0).last_id > first.last_id


def test_a_listener_hears_each_event():
    events = Events()
    heard: list[str] = []
    events.listen(lambda event: heard.append(event.kind))
    events.note("pinned", "a", "x")
    assert heard == ["pinned"]


async def test_who_follows_is_woken_by_what_happens():
    events = Events()
    following = asyncio.ensure_future(events.changed())
    await asyncio.sleep(0)
    assert not following.done()
    events.note("woke", "", "x")
    await following


def test_an_event_is_logged_at_its_level(caplog):
    events = Events()
    with caplog.at_level(logging.INFO):
        events.note("loaded", "a", "quiet", level=logging.DEBUG)
        events.note("gone", "a", "loud", level=logging.WARNING)
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "loud")
    ]
