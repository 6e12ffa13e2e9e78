"""The management surface: what is here, in, out."""

from __future__ import annotations

import http.client
import json
from datetime import datetime

import pytest
import requests

from tests.support.endpoint import PROJECT

TARGET = "X-Amzn-SageMaker-Target-Model"


def get(endpoint, path, **options):
    return requests.get(endpoint.url + path, timeout=60, **options)


@pytest.fixture
def loaded(endpoint, own_store):
    answer = requests.post(
        f"{endpoint.url}/models", json={"target_model": "de/DocSim.tar.gz"}, timeout=60
    )
    assert answer.status_code == 200
    return answer.json()


def test_ping_is_200_when_the_model_server_answers(endpoint):
    assert get(endpoint, "/ping").status_code == 200


def test_a_keyphrase_model_shows_which_pipeline_tags(endpoint, own_store):
    target = "TopicalPageRank.tar.gz"
    answer = requests.post(
        f"{endpoint.url}/endpoints/e/invocations",
        json={"text": "Die neue Steuer auf Strom."},
        headers={TARGET: target},
        timeout=60,
    ).json()
    assert answer["pipeline"]
    assert get(endpoint, f"/models/{target}").json()["model"]["pipeline"] == answer["pipeline"]


def test_a_loaded_model_shows_size_state_and_times(endpoint, loaded, own_store):
    view = get(endpoint, "/models/de/DocSim.tar.gz").json()
    assert view["target_model"] == "de/DocSim.tar.gz"
    assert view["state"] == "ready"
    assert view["archive_bytes"] > 0
    assert view["unpacked_bytes"] > view["archive_bytes"]
    assert view["load_s"] > 0
    assert datetime.fromisoformat(view["fetched_at"]) <= datetime.fromisoformat(view["loaded_at"])
    assert view["model"]["family"] == "DocSim"
    # Nothing of the inside: no hash, no folder.
    assert not {"name", "modelName", "modelUrl", "model_dir"} & view.keys()


def test_a_percent_encoded_target_is_the_same_target(endpoint, loaded):
    assert get(endpoint, "/models/de%2FDocSim.tar.gz").json()["state"] == "ready"


def test_pages_show_each_model_once_in_the_order_of_names(endpoint, loaded, own_store):
    requests.post(f"{endpoint.url}/models", json={"target_model": "DocSim.tar.gz"}, timeout=60)
    everything = [m["target_model"] for m in get(endpoint, "/models").json()["models"]]
    assert {"DocSim.tar.gz", "de/DocSim.tar.gz"} <= set(everything)
    assert everything == sorted(everything)
    paged, token = [], None
    while True:
        params = {"limit": 1} | ({"next_page_token": token} if token else {})
        page = get(endpoint, "/models", params=params).json()
        assert len(page["models"]) == 1
        paged += [m["target_model"] for m in page["models"]]
        token = page.get("nextPageToken")
        if token is None:
            break
    assert paged == everything


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=-1", "next_page_token=%C3%A4"])
def test_a_bad_page_is_refused(endpoint, query):
    answer = get(endpoint, f"/models?{query}")
    assert answer.status_code == 400
    assert answer.headers["x-amzn-ErrorType"] == "ValidationError"


def test_an_unloaded_model_stays_on_disk_and_comes_back_when_asked_for(
    endpoint, runtime, loaded, own_store
):
    gone = requests.delete(f"{endpoint.url}/models/de/DocSim.tar.gz", timeout=60)
    assert gone.status_code == 200
    assert get(endpoint, "/models/de/DocSim.tar.gz").json()["state"] == "on-disk"
    again = requests.delete(f"{endpoint.url}/models/de/DocSim.tar.gz", timeout=60)
    assert again.status_code == 404
    runtime.invoke_endpoint(
        EndpointName="demo", TargetModel="de/DocSim.tar.gz", ContentType="text/csv", Body="a,b"
    )
    assert get(endpoint, "/models/de/DocSim.tar.gz").json()["state"] == "ready"


def test_a_model_nobody_asked_for_is_404(endpoint):
    answer = get(endpoint, "/models/never.tar.gz")
    assert answer.status_code == 404
    assert answer.headers["x-amzn-ErrorType"] == "ResourceNotFound"
    assert "never.tar.gz" in answer.json()["Message"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"target_model": 5}', b"["])
def test_a_load_without_a_target_is_refused(endpoint, body):
    headers = {"Content-Type": "application/json"}
    answer = requests.post(f"{endpoint.url}/models", data=body, headers=headers, timeout=10)
    assert answer.status_code == 400
    assert "target_model" in answer.json()["Message"]


def test_a_load_that_fails_says_why_and_leaves_nothing_behind(endpoint, own_store):
    answer = requests.post(
        f"{endpoint.url}/models", json={"target_model": "strange.tar.gz"}, timeout=60
    )
    assert answer.status_code == 424
    assert "readme.txt" in answer.json()["OriginalMessage"]
    left = get(endpoint, "/models/strange.tar.gz").json()
    assert left["state"] == "in-store"
    assert "readme.txt" in left["last_error"]["message"]
    why = get(endpoint, "/models/strange.tar.gz/why").json()
    assert "readme.txt" in why["why"]
    # Others of these tests may have asked for it too, on the same endpoint.
    assert {event["kind"] for event in why["events"]} == {"load_failed"}


def test_the_list_has_what_is_here_and_what_the_store_offers(endpoint, own_store):
    page = get(endpoint, "/models", params={"prefix": "", "limit": 1000}).json()
    states = {model["target_model"]: model["state"] for model in page["models"]}
    assert states["strange.tar.gz"] == "in-store"
    assert "store_error" not in page
    ready = get(endpoint, "/models", params={"state": "ready"}).json()["models"]
    assert {model["state"] for model in ready} <= {"ready"}
    refused = get(endpoint, "/models", params={"state": "asleep"})
    assert (refused.status_code, "in-store" in refused.json()["Message"]) == (400, True)


def test_a_model_may_be_pinned_and_unpinned(endpoint, loaded, own_store):
    pin = f"{endpoint.url}/models/de/DocSim.tar.gz/pin"
    assert requests.put(pin, timeout=10).json()["pinned"] is True
    assert get(endpoint, "/models/de/DocSim.tar.gz").json()["pinned"] is True
    assert requests.delete(pin, timeout=10).json()["pinned"] is False
    assert requests.put(f"{endpoint.url}/models/never.tar.gz/pin", timeout=10).status_code == 404


def test_the_state_of_the_endpoint_is_told_in_numbers(endpoint, loaded, own_store):
    status = get(endpoint, "/status").json()
    assert status["health"] == {"ready": True, "reason": ""}
    assert status["memory"]["used_bytes"] < status["memory"]["limit_bytes"]
    assert status["models"]["ready"] >= 1
    assert status["requests"]["total"] == sum(
        status["requests"][outcome] for outcome in ("warm", "cold", "first")
    )
    assert "de/DocSim.tar.gz" in [share["target_model"] for share in status["top"]]


def test_events_are_told_as_a_list_and_as_a_stream_that_goes_on(endpoint, loaded, own_store):
    target = {"target": "de/DocSim.tar.gz"}
    told = get(endpoint, "/events", params=target).json()
    arrived = next(event for event in told["events"] if event["kind"] == "arrived")
    assert arrived["archive_bytes"] > 0
    headers = {"Accept": "text/event-stream", "Last-Event-ID": str(arrived["id"] - 1)}
    with requests.get(
        f"{endpoint.url}/events", params=target, headers=headers, stream=True, timeout=10
    ) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        lines = answer.iter_lines()
        assert next(lines).startswith(b"id: ")
        assert next(lines) == b"event: events"
        first = json.loads(next(lines).removeprefix(b"data: "))[0]
    assert first == arrived
    refused = get(endpoint, "/events", params={"kind": "exploded"})
    assert (refused.status_code, "evicted" in refused.json()["Message"]) == (400, True)


@pytest.mark.hostile("paths and names")
@pytest.mark.parametrize(
    "name",
    ["%00", "a%00b", "%ff", "%ed%a0%80", "..%2f..%2fetc%2fpasswd", "%2fetc%2fpasswd", "%252e%252e",
     "a%0ab", "%5c..%5c", ".", "%2e%2e", "a//b", "x" * 1100, "%c0%ae", "a%e2%80%a8b", "%zz", "%"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_whatever_a_model_is_called_it_is_a_fault_of_the_caller(endpoint, method, name):
    port = int(endpoint.url.rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, f"/models/{name}")  # not made plain on its way
    answer = connection.getresponse()
    assert answer.status in (400, 404)
    assert json.loads(answer.read())["Message"]
    connection.close()


@pytest.mark.hostile("paths and names")
@pytest.mark.parametrize(
    "target",
    ["../x", "/etc/passwd", "a/../b", "a//b", "./a", "a\\b", "..", "s3://b/k", "file:///etc/passwd",
     "a/", " a", "a" * 1025, "~root", "a\tb", "-", "%2e%2e/x", "a" * 300],
)  # fmt: skip
def test_whatever_a_target_is_called_it_is_a_fault_of_the_caller(endpoint, target):
    asked = {"headers": {TARGET: target.strip()}, "data": b"x"}
    for path, sent in (("/invocations", asked), ("/models", {"json": {"target_model": target}})):
        answer = requests.post(endpoint.url + path, timeout=10, **sent)
        assert answer.status_code == 400, answer.text
        assert str(PROJECT) not in answer.text
