"""`mme top`: what is known of an endpoint, its screen, its keys."""

from __future__ import annotations

import io
import json
import os
import pty
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from rich.console import Console

from mme.cli.client import EndpointUnreachable
from mme.cli.frames import Frame
from mme.cli.keys import keys_of
from mme.cli.main import main
from mme.cli.top import as_content
from mme.cli.top_reading import MOST_MODELS, Follower, Seen, read_once
from mme.cli.top_view import SORTS, bar, duration, in_order, order_after, screen

URL = "http://127.0.0.1:18080"
STATUS = {
    "mode": "standalone endpoint", "version": "1", "uptime_s": 3700.0,
    "health": {"ready": True, "reason": ""}, "store": {"uri": "s3://b/", "error": ""},
    "memory": {"used_bytes": 900, "limit_bytes": 1000, "high_bytes": 850, "models_bytes": 5},
    "tasks": {"used": 10, "limit": 256}, "disk": {"used_bytes": 10, "limit_bytes": None},
    "requests": {"total": 7, "errors": 2, "warm": 5, "per_s": 1.5, "p50_ms": 1.0},
    "queue": {"waiting": 3, "in_flight": 1}, "workers": {"pool": 2, "busy": 1},
    "top": [{"target_model": "top.tar.gz", "memory_bytes": 2048, "invocations": 4}],
    "last_event_id": 5,
}  # fmt: skip
EVENT = {"id": 5, "at": "2026-11-28T12:00:00+00:00", "kind": "evicted", "message": "a had to go"}


def model(name, **facts):
    return {"target_model": name, "state": "ready", "invocations": 0, **facts}


def seen_of(*models, status=STATUS):
    seen = Seen(URL)
    seen.take_models(models, 0.0)
    seen.take_status(status, 0.0)
    seen.take_events([EVENT])
    return seen


def shown(seen, sort="use", width=120, height=40, offset=0):
    written = io.StringIO()
    Console(file=written, width=width, height=height).print(screen(seen, sort, offset, height))
    return written.getvalue()


def test_health_room_work_models_and_events_are_on_the_screen():
    text = shown(seen_of(model("de/a.tar.gz", p99_ms=120.0, errors=3)))
    for words in (
        "ready", "s3://b/", "up 1 h 1 min", "900 B of 1000 B", "10 of 256", "no limit",
        "1.5/s", "7 so far: 5 warm", "3 waiting", "de/a.tar.gz", "120 ms", "top.tar.gz",
        "a had to go", "q quit",
    ):  # fmt: skip
        assert words in text


def test_why_it_is_not_ready_is_on_the_screen():
    health = {"ready": False, "reason": "the model server is being started"}
    text = shown(seen_of(status={**STATUS, "health": health}))
    assert "not ready: the model server is being started" in text


def test_a_store_that_fails_and_a_break_are_on_the_screen():
    seen = seen_of(status={**STATUS, "store": {"uri": "s3://b/", "error": "AccessDenied"}})
    seen.trouble = "cannot reach it"
    text = shown(seen)
    assert "AccessDenied" in text
    assert "nothing new comes: cannot reach it" in text


def test_an_endpoint_of_which_nothing_is_known_has_a_screen_as_well():
    assert "not ready" in shown(Seen(URL))


def test_names_and_messages_of_others_move_no_cursor():
    seen = seen_of(model("a\x1b[2Jb.tar.gz", last_error={"at": "x", "message": "[red]\x07"}))
    text = shown(seen)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "[red]" in text


@pytest.mark.parametrize("height", [1, 10, 24, 100])
def test_a_screen_is_no_higher_than_the_terminal_where_that_can_be(height):
    seen = seen_of(*(model(f"{number}.tar.gz") for number in range(200)))
    assert len(shown(seen, height=height).splitlines()) <= max(height, 20)


def test_no_line_is_wider_than_the_terminal():
    seen = seen_of(model("a" * 300 + ".tar.gz"))
    assert all(len(line) <= 60 for line in shown(seen, width=60).splitlines())


def test_models_are_in_the_wanted_order():
    seen = seen_of(
        model("b", memory_bytes=9000, errors=1), model("c", invocations=9, p99_ms=2.0), model("a")
    )
    first = {sort: in_order(seen, sort)[0][0] for sort in SORTS}
    assert first == {"memory": "b", "use": "c", "latency": "c", "errors": "b", "name": "a"}


def test_s_goes_through_the_orders_and_a_letter_goes_to_its_own():
    name, names = "memory", []
    for _ in SORTS:
        name = order_after(name, "s")
        names.append(name)
    assert sorted(names) == sorted(SORTS)
    assert order_after("memory", "u") == "use"
    assert order_after("memory", "?") == "memory"


def test_scrolling_leaves_the_first_ones_out():
    seen = seen_of(*(model(f"model-{number}") for number in range(9)))
    assert "model-0" not in shown(seen, "name", offset=3)


def test_how_often_a_model_is_asked_is_reckoned_from_two_looks():
    seen = Seen(URL)
    seen.take_models([model("a", invocations=10)], 0.0)
    seen.take_models([model("a", invocations=11)], 0.1)
    assert seen.models["a"].per_s == 0.0
    seen.take_models([model("a", invocations=30)], 2.0)
    assert seen.models["a"].per_s == 10.0
    assert seen.copied(2.5).models["a"].per_s == 10.0
    assert seen.copied(60.0).models["a"].per_s == 0.0


def test_a_count_that_begins_anew_is_no_negative_rate():
    seen = Seen(URL)
    seen.take_models([model("a", invocations=10)], 0.0)
    seen.take_models([model("a", invocations=1)], 2.0)
    assert seen.models["a"].per_s == 0.0


def test_only_so_many_models_are_kept_those_told_of_last():
    seen = Seen(URL)
    seen.take_models([model("first")], 0.0)
    seen.take_models((model(str(number)) for number in range(MOST_MODELS)), 1.0)
    assert len(seen.models) == MOST_MODELS
    assert "first" not in seen.models


class Told:
    """An endpoint that says what it is given, then is gone; it is asked for a stream once."""

    url = URL

    def __init__(self, *frames):
        self.frames = frames
        self.asked = []

    def get(self, path, **query):
        self.asked.append((path, query))
        return {"/status": STATUS, "/models": {"models": [model("a")]}, "/events": {"events": []}}[
            path
        ]

    def stream(self, path, **query):
        self.asked.append((path, query))
        yield from self.frames
        raise EndpointUnreachable("gone")


def follow(endpoint, seen):
    """Follow until the endpoint is gone for the second time."""
    is_over, times = threading.Event(), []

    def sleep(_):
        times.append(1)
        if len(times) == 2:
            follower.stop()
            is_over.set()

    follower = Follower(endpoint, seen, clock=lambda: 0.0, sleep=sleep)
    follower.start()
    assert is_over.wait(10)
    for thread in [each for each in threading.enumerate() if each.name == "follow"]:
        thread.join(10)
        assert not thread.is_alive(), "a follower that was stopped goes on"
    return follower.now()


def test_a_stream_brings_what_changes_and_goes_on_from_where_it_broke():
    endpoint: Any = Told(
        Frame("6", "events", json.dumps([{**EVENT, "id": 6}])),
        Frame("", "status", json.dumps({**STATUS, "loads": 9})),
        Frame("", "models", json.dumps([model("new", invocations=3)])),
        Frame("", "models", "no JSON"),
    )
    seen = follow(endpoint, read_once(endpoint))
    assert seen.status["loads"] == 9
    assert {"a", "new", "top.tar.gz"} <= seen.models.keys()
    assert [each["id"] for each in seen.events] == [6, 6]
    assert seen.trouble == "gone"
    after = [query["after"] for path, query in endpoint.asked if "status" in query]
    assert after == [5, "6"]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, "-"), (5, "5 s"), (65, "1 min 5 s"), (3700, "1 h 1 min"), (90000, "1 d 1 h")],
)
def test_times_that_have_passed_are_read_by_people(seconds, said):
    assert duration(seconds) == said


def test_a_bar_shows_the_share_and_the_mark_and_nothing_without_a_limit():
    assert bar(500, 1000, 850).plain.count("#") == 15
    assert "|" in bar(500, 1000, 850).plain
    assert len(bar(5000, 1000).plain) == len(bar(0, 1000).plain)
    assert bar(5, None).plain == ""
    assert bar(5, 0).plain == ""


def test_keys_of_a_terminal_come_one_by_one_and_it_is_left_as_it_was():
    import termios  # noqa: PLC0415

    ours, terminal = pty.openpty()
    try:
        before = termios.tcgetattr(terminal)
        with keys_of(terminal) as key:
            assert key(0.0) == ""
            os.write(ours, b"s")
            assert key(5.0) == "s"
            os.write(ours, b"\x1b[B")
            assert key(5.0) == "down"
        assert termios.tcgetattr(terminal) == before
    finally:
        os.close(ours)
        os.close(terminal)


def test_where_there_is_no_terminal_no_key_ever_comes():
    read, write = os.pipe()
    try:
        os.write(write, b"q")
        with keys_of(read) as key:
            assert key(0.0) == ""
    finally:
        os.close(read)
        os.close(write)


@pytest.fixture
def endpoint():
    """An endpoint that is known by three requests."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            path = self.path.partition("?")[0]
            body = json.dumps(Told().get(path)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_without_a_terminal_it_is_printed_once(endpoint, capsys):
    assert main(["top", "--endpoint", endpoint]) == 0
    out = capsys.readouterr().out
    assert "top.tar.gz" in out
    assert "\x1b" not in out


def test_as_json_it_is_what_the_endpoint_said(endpoint, capsys):
    assert main(["top", "--endpoint", endpoint, "--json", "--sort", "name"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["status"] == STATUS
    assert [each["target_model"] for each in said["models"]] == ["a", "top.tar.gz"]


def test_an_endpoint_that_is_not_there_has_a_code_of_its_own(capsys):
    assert main(["top", "--endpoint", "http://127.0.0.1:9"]) == 3
    assert "http://127.0.0.1:9" in capsys.readouterr().err


def test_content_for_programs_has_all_there_is():
    content = as_content(seen_of(model("a")), "name")
    assert content["endpoint"] == URL
    assert content["events"] == [EVENT]
