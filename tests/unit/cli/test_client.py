"""The client of a running endpoint: where it asks, what it raises, streams that go on."""

from __future__ import annotations

import json

import pytest

from mme.cli import client
from mme.cli.client import (
    BadAddress,
    Endpoint,
    EndpointUnreachable,
    Refused,
    endpoint_url,
    model_path,
)
from mme.cli.frames import Frame, frames_in
from tests.support.endpoint import free_port
from tests.support.fake_endpoint import Canned, fake_endpoint


@pytest.mark.parametrize(
    ("named", "environ", "url"),
    [
        (None, {}, "http://127.0.0.1:8080"),
        (None, {"MME_PORT": "9000"}, "http://127.0.0.1:9000"),
        (None, {"MME_ENDPOINT": "http://a:1/", "MME_PORT": "9"}, "http://a:1"),
        ("https://b", {"MME_ENDPOINT": "http://a:1"}, "https://b"),
        ("unix:///run/mme.sock", {}, "unix:///run/mme.sock"),
        (None, {"MME_SOCKET": "/run/mme.sock"}, "unix:///run/mme.sock"),
        (None, {"MME_SOCKET": "/a", "MME_MANAGEMENT_PORT": "9"}, "http://127.0.0.1:9"),
        (None, {"MME_TLS_CERT": "c.pem", "MME_PORT": "8443"}, "https://127.0.0.1:8443"),
    ],
)
def test_the_address_is_the_one_named_else_where_this_machines_endpoint_listens(
    named, environ, url
):
    assert endpoint_url(named, environ) == url


@pytest.mark.parametrize(
    "named", ["localhost:8080", "ftp://a", "http://", "http://a:x", "unix://a/b", "http://a\n"]
)
def test_what_is_no_address_is_said(named):
    with pytest.raises(BadAddress, match="write http://HOST:PORT"):
        endpoint_url(named, {})


def test_json_is_asked_for_with_query_and_token():
    with fake_endpoint({("GET", "/models"): Canned({"models": []})}) as fake:
        found = Endpoint(fake.url, "secret").get("/models", prefix="de/ä", limit=3, state="")
    assert found == {"models": []}
    [came] = fake.came
    assert came.path == "/models?prefix=de%2F%C3%A4&limit=3"
    assert came.headers["Authorization"] == "Bearer secret"


def test_a_unix_socket_is_asked_as_a_port_is(tmp_path):
    path = tmp_path / "s"
    with fake_endpoint({("PUT", "/models/a/pin"): Canned({"pinned": True})}, path) as fake:
        assert Endpoint(fake.url).put(model_path("a", "pin")) == {"pinned": True}


def test_a_path_below_which_a_proxy_has_the_endpoint_is_kept():
    with fake_endpoint({("GET", "/inner/status"): Canned({})}) as fake:
        assert Endpoint(f"{fake.url}/inner").get("/status") == {}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Canned({"Message": "no"}, 400), "no"),
        (Canned({"message": "no"}, 503), "no"),
        (Canned(b"<html>", 502), "<html>"),
        (Canned(b"", 500), "the endpoint answers 500"),
        (Canned({"Message": "who?"}, 401), "who? (--token or MME_TOKEN)"),
        (
            Canned(
                {
                    "Message": "Received client error (400)",
                    "OriginalStatusCode": 400,
                    "OriginalMessage": json.dumps({"message": "one column"}),
                },
                424,
            ),
            "the model answers 400: one column",
        ),
        (
            Canned(
                {
                    "OriginalStatusCode": 500,
                    "OriginalMessage": json.dumps({"type": "KeyError", "message": "'x'"}),
                },
                424,
            ),
            "the model answers 500: KeyError: 'x'",
        ),
        (
            Canned({"OriginalStatusCode": 500, "OriginalMessage": "no JSON"}, 424),
            "the model answers 500: no JSON",
        ),
        (Canned({"Message": "one.\n\n    two\n"}, 400), "one. two"),
        (Canned(b"[" * 100_000, 400), "[" * 500),
        (Canned(b"no JSON"), "answers /status with no JSON object"),
    ],
)
def test_a_refusal_has_its_status_and_its_message(answer, message):
    with (
        fake_endpoint({("GET", "/status"): answer}) as fake,
        pytest.raises(Refused) as caught,
    ):
        Endpoint(fake.url).get("/status")
    assert caught.value.status == answer.status
    assert caught.value.message.endswith(message)


def test_nobody_there_is_said_with_the_address():
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(EndpointUnreachable, match=f"cannot reach {url}: Connection refused"):
        Endpoint(url).get("/status")
    with pytest.raises(EndpointUnreachable, match="Connection refused"):
        next(Endpoint(url).stream("/events"))


def test_a_server_that_speaks_something_else_is_said():
    with (
        fake_endpoint({("GET", "/"): Canned(b"", 200, {"Content-Length": "5"})}) as fake,
        pytest.raises(EndpointUnreachable, match="not to the end"),
    ):
        Endpoint(fake.url).ask("GET", "/")


def test_a_stream_that_breaks_goes_on_from_the_last_id(monkeypatch):
    monkeypatch.setattr(client, "RECONNECT_S", (0.0, 0.0))
    answers = [
        Canned(b"id: 7\nevent: events\ndata: [1]\n\n: beat\n\nid: 8\ndata: [cut"),
        Canned(b"id: 9\nevent: events\ndata: [2]\n\n"),
        Canned({"Message": "gone"}, 404),
    ]
    told: list[str] = []
    with fake_endpoint({("GET", "/events"): answers}) as fake:
        frames = Endpoint(fake.url).stream("/events", on_break=told.append, target="a")
        assert [next(frames), next(frames)] == [
            Frame("7", "events", "[1]"),
            Frame("9", "events", "[2]"),
        ]
        with pytest.raises(Refused, match="gone"):
            next(frames)
    assert [came.headers.get("Last-Event-ID") for came in fake.came] == [None, "7", "9"]
    assert len(told) == 2


def test_a_stream_that_never_comes_back_is_given_up(monkeypatch):
    monkeypatch.setattr(client, "RECONNECT_S", (0.0, 0.0))
    with fake_endpoint({("GET", "/events"): Canned(b"")}) as fake:
        with pytest.raises(EndpointUnreachable, match="ended the stream"):
            next(Endpoint(fake.url).stream("/events"))
        assert len(fake.came) == 3


def test_frames_are_read_as_the_standard_has_them():
    lines = b"data: a\r\ndata:b\r\n\r\n: comment\n\nevent: x\nid: 1\n\ndata\nretry: 5\n\ndata: cut"
    frames = list(frames_in(lines.splitlines(keepends=True)))
    assert frames == [Frame("", "message", "a\nb"), Frame("", "message", "")]
