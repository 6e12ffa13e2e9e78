"""What the page says when something is not as it should be."""

from __future__ import annotations

import json
import os
from urllib.parse import quote

import pytest
import requests

from tests.support.crowd import fill_store, is_complete
from tests.support.endpoint import running_endpoint
from tests.support.line import line_to

HOSTILE = "<img src=x onerror=alert(1)>&amp;.tar.gz"
FOREIGN = "straße/über uns.tar.gz"
COUNT = 3
OTHERS = 2
HIDE = """const real = window.setTimeout; window.setTimeout = work => { work(); return 0; };
  Object.defineProperty(document, 'hidden', {configurable: true, get: () => true});
  document.dispatchEvent(new Event('visibilitychange')); window.setTimeout = real"""
SHOW = """delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))"""


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    scratch = tmp_path_factory.mktemp("troubles")
    fill_store(scratch / "store", COUNT)
    (scratch / "store" / HOSTILE).write_bytes(b"no archive")
    (scratch / "store" / FOREIGN).parent.mkdir()
    os.link(scratch / "store" / "en" / "DocSim.tar.gz", scratch / "store" / FOREIGN)
    with running_endpoint(str(scratch / "store"), scratch) as running:
        yield running


def wait_for_text(page, selector, words):
    shown, wanted = json.dumps(selector), json.dumps(words)
    page.wait_for(f"document.querySelector({shown})?.textContent.includes({wanted})")


def ask(endpoint, target, content_type="text/csv", text="Cars with petrol,A ban on cars"):
    return requests.post(
        f"{endpoint.url}/invocations", data=text, timeout=60,
        headers={"Content-Type": content_type, "X-Amzn-SageMaker-Target-Model": target},
    ).status_code  # fmt: skip


def test_a_model_that_does_not_load_shows_why(page, endpoint):
    page.open(f"{endpoint.url}/")
    page.wait_for(is_complete(COUNT + OTHERS))
    assert ask(endpoint, HOSTILE) == 400
    row = f"#rows tr[data-name={json.dumps(HOSTILE)}]"
    wait_for_text(page, f"{row} .error", "archive")
    page.click(f"{row} .opener")
    wait_for_text(page, "#detail-title", HOSTILE)
    wait_for_text(page, "#detail-error", "Last error")
    wait_for_text(page, "#detail-why", "failure")
    page.evaluate("document.getElementById('kinds').value = 'failures'")
    page.evaluate("document.getElementById('kinds').dispatchEvent(new Event('change'))")
    wait_for_text(page, "#events .kind", "load failed")


def test_names_and_messages_are_text_whatever_they_hold(page, endpoint):
    page.open(f"{endpoint.url}/#model=" + quote(HOSTILE, safe=""))
    page.wait_for(is_complete(COUNT + OTHERS))
    wait_for_text(page, "#detail-title", HOSTILE)
    assert page.evaluate("document.images.length") == 0
    assert not any(address.endswith("/x") for address in page.requests)
    assert page.errors == []


def test_a_cut_line_is_told_and_what_happened_meanwhile_is_shown_after(page, endpoint):
    with line_to(endpoint.url) as line:
        page.open(f"{line.url}/")
        page.wait_for(is_complete(COUNT + OTHERS))
        wait_for_text(page, "#live", "live")
        line.is_cut = True
        wait_for_text(page, "#live", "not live since")
        wait_for_text(page, "#live", "trying again in")
        target = "team-01/model-00001.tar.gz"
        assert ask(endpoint, target) == 200
        line.is_cut = False
        page.wait_for("document.getElementById('live').textContent === 'live'")
        wait_for_text(page, "#events", f"{target}")
        wait_for_text(page, f"#rows tr[data-name={json.dumps(target)}] .state", "ready")


def test_an_endpoint_that_has_gone_and_comes_back(page, tmp_path):
    fill_store(tmp_path / "store", COUNT)
    with running_endpoint(str(tmp_path / "store"), tmp_path) as first:
        page.open(f"{first.url}/")
        page.wait_for(is_complete(COUNT))
    wait_for_text(page, "#live", "not live since")
    port = first.url.rpartition(":")[2]
    with running_endpoint(str(tmp_path / "store"), tmp_path, {"MME_PORT": port}):
        page.click("#live button")
        page.wait_for("document.getElementById('live').textContent === 'live'")
        page.wait_for(is_complete(COUNT))


def test_an_empty_store_says_what_to_do(page, tmp_path):
    (tmp_path / "store").mkdir()
    with running_endpoint(str(tmp_path / "store"), tmp_path) as running:
        page.open(f"{running.url}/")
        wait_for_text(page, "#nothing", "There are no models. Put NAME.tar.gz into the store")
        wait_for_text(page, "#count", "0 models")
        assert page.errors == []


def test_a_store_that_does_not_answer_is_told(page, tmp_path):
    settings = {
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_REGION": "eu-central-1",
    }
    with running_endpoint("s3://bucket/models/", tmp_path, settings) as running:
        page.open(f"{running.url}/")
        wait_for_text(page, "#store-error", "The store does not answer")
        wait_for_text(page, "#nothing", "The store does not answer, and no model is on this disk")


def test_a_name_beyond_ascii_is_one_like_others(page, endpoint):
    page.open(f"{endpoint.url}/#model=" + quote(FOREIGN, safe=""))
    page.wait_for(is_complete(COUNT + OTHERS))
    page.click("#act-load")
    wait_for_text(page, "#act-said", "It is loaded")
    page.wait_for("document.getElementById('invoke-body').value")
    page.click("#invoke-send")
    wait_for_text(page, "#answer-said", "200, after")
    page.click("#act-unload")
    wait_for_text(page, "#act-said", "It has left memory")
    assert page.errors == []


def test_a_page_that_nobody_looks_at_lets_go_until_somebody_does(page, endpoint):
    page.open(f"{endpoint.url}/")
    page.wait_for(is_complete(COUNT + OTHERS))
    target = "team-02/model-00002.tar.gz"
    row = f"#rows tr[data-name={json.dumps(target)}] .state"
    page.evaluate(HIDE)
    with requests.get(
        f"{endpoint.url}/events", headers={"Accept": "text/event-stream"}, stream=True, timeout=30
    ) as others:
        assert ask(endpoint, target) == 200
        assert next(others.iter_lines()).startswith(b"id: ")  # who follows is told
    wait_for_text(page, row, "in the store")
    page.evaluate(SHOW)
    wait_for_text(page, row, "ready")
    followed = [address for address in page.requests if "/events?status=1" in address]
    assert len(followed) == 2


FRAMES = """import('/page/stream.js').then(({Frames}) => {
  const frames = new Frames(), text = %s, taken = [];
  for (let at = 0; at < text.length; at += %d) taken.push(...frames.take(text.slice(at, at + %d)));
  return taken;
})"""


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_a_stream_is_read_whatever_pieces_it_comes_in(page, endpoint, step):
    page.open(f"{endpoint.url}/")
    text = ": beat\n\nid: 7\nevent: events\ndata: [1,\ndata: 2]\n\n"
    text += "event: status\r\ndata: {}\r\n\r\n:\n\n"
    assert page.evaluate(FRAMES % (json.dumps(text), step, step)) == [
        {"id": "7", "event": "events", "data": "[1,\n2]"},
        {"id": None, "event": "status", "data": "{}"},
    ]
