"""The last lines: what is rare stays, and each can be found by what it is about."""

from __future__ import annotations

import logging
import threading

from mme.core.log_format import Line
from mme.core.log_ring import MOST_CHARS, LogRing


def tell(ring, message, level=logging.INFO, target="", request_id="", **more):
    ring.add(Line(1.0, level, "room", message, target, request_id, **more))


def messages(lines):
    return [line.message for line in lines]


def test_lines_are_found_by_model_request_and_level():
    ring = LogRing()
    tell(ring, "one", target="a", request_id="1")
    tell(ring, "two", logging.WARNING, target="a", request_id="2")
    tell(ring, "three", logging.ERROR, target="b")
    assert messages(ring.latest(limit=10)) == ["one", "two", "three"]
    assert messages(ring.latest(target="a", limit=10)) == ["one", "two"]
    assert messages(ring.latest(request_id="2", limit=10)) == ["two"]
    assert messages(ring.latest(level=logging.WARNING, limit=10)) == ["two", "three"]
    assert messages(ring.latest(limit=1)) == ["three"]


def test_who_has_seen_a_line_gets_what_came_after_it():
    ring = LogRing()
    before = ring.last_id
    for name in "abcd":
        tell(ring, name)
    first, *_ = ring.after(before, limit=10)
    assert messages(ring.after(first.id, limit=10)) == ["b", "c", "d"]
    assert messages(ring.after(first.id, limit=2)) == ["b", "c"]
    assert ring.after(ring.last_id, limit=10) == []


def test_ids_grow_from_one_start_to_the_next():
    former = LogRing(clock=lambda: 10.0)
    for _ in range(5):
        tell(former, "x")
    assert LogRing(clock=lambda: 11.0).last_id > former.last_id


def test_lines_of_requests_push_out_nothing_else():
    ring = LogRing(most=3)
    tell(ring, "trouble", logging.WARNING)
    tell(ring, "loaded")
    for number in range(10):
        tell(ring, f"request {number}", is_of_request=True)
    assert messages(ring.latest(limit=10)) == [
        "trouble", "loaded", "request 7", "request 8", "request 9",
    ]  # fmt: skip


def test_what_is_kept_of_a_line_is_bounded():
    ring = LogRing()
    tell(ring, "x" * 2 * MOST_CHARS, trace="y" * 2 * MOST_CHARS + "end", members=lambda: "")
    (line,) = ring.latest(limit=1)
    assert len(line.message) == MOST_CHARS + 1
    assert line.trace.endswith("yend")
    assert len(line.trace) == MOST_CHARS + 1
    assert line.members is None


def test_lines_of_several_threads_are_all_kept():
    ring = LogRing(most=10_000)

    def speak():
        for _ in range(500):
            tell(ring, "x")

    threads = [threading.Thread(target=speak) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        ring.latest(limit=10)
    for thread in threads:
        thread.join()
    ids = [line.id for line in ring.latest(limit=10_000)]
    assert len(set(ids)) == 2_000
    assert ids == sorted(ids)


def test_what_is_too_long_for_a_models_name_is_not_kept_whole():
    ring = LogRing()
    ring.add(Line(0.0, logging.INFO, "room", "refused", "x" * 8_000))
    assert len(ring.latest(limit=1)[0].target) < 1_100
