"""The page of an endpoint whose store has 10,000 models, as somebody with a mouse uses it."""

from __future__ import annotations

import json

import pytest
import requests

from tests.support.crowd import fill_store, is_complete
from tests.support.endpoint import running_endpoint

COUNT = 10_000
MOST_ROWS = 60
"""So many elements may a table have, however long it is."""
DOCSIM = "en/DocSim.tar.gz"
FIRST = "document.querySelector('#rows .opener').title"
NAMES = "[...document.querySelectorAll('#rows .opener')].map(one => one.title)"


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    scratch = tmp_path_factory.mktemp("crowd")
    fill_store(scratch / "store", COUNT)
    with running_endpoint(str(scratch / "store"), scratch) as running:
        yield running


@pytest.fixture
def opened(page, endpoint):
    page.open(f"{endpoint.url}/")
    page.wait_for(is_complete(COUNT))
    yield page
    assert page.errors == []
    assert {address.partition("/page/")[0] for address in page.requests if "/page/" in address} == {
        endpoint.url
    }
    assert all(address.startswith(f"{endpoint.url}/") for address in page.requests)


def text_of(page, selector):
    return page.evaluate(f"document.querySelector({json.dumps(selector)}).textContent")


def wait_for_text(page, selector, words):
    shown, wanted = json.dumps(selector), json.dumps(words)
    page.wait_for(f"document.querySelector({shown})?.textContent.includes({wanted})")


def set_value(page, selector, value):
    page.evaluate(
        f"(() => {{ const one = document.querySelector({json.dumps(selector)});"
        f" one.value = {json.dumps(value)};"
        " one.dispatchEvent(new Event('input', {bubbles: true}));"
        " one.dispatchEvent(new Event('change', {bubbles: true})); })()"
    )


def ask(endpoint, target, text="Cars with petrol,A ban on cars"):
    answer = requests.post(
        f"{endpoint.url}/invocations", data=text, timeout=60,
        headers={"Content-Type": "text/csv", "X-Amzn-SageMaker-Target-Model": target},
    )  # fmt: skip
    return answer.status_code


def begins_with(*targets):
    return f"{NAMES}.slice(0, {len(targets)}).join() === {json.dumps(','.join(targets))}"


def open_model(page, target):
    page.evaluate(f"location.hash = 'model=' + encodeURIComponent({json.dumps(target)})")
    wait_for_text(page, "#detail-title", target)
    page.wait_for("document.getElementById('detail-why').textContent")


def test_it_says_whether_the_endpoint_is_well_and_how_much_room_is_left(opened, endpoint):
    assert text_of(opened, "#health-title") == "Healthy"
    assert "Store: " in text_of(opened, "#store")
    assert " of " in text_of(opened, "#memory")
    assert "worker" in text_of(opened, "#tasks")
    assert text_of(opened, "#live") == "live"


def test_of_ten_thousand_rows_only_those_in_sight_exist(opened):
    assert opened.evaluate("document.querySelectorAll('#rows tr').length") < MOST_ROWS
    assert opened.evaluate("document.getElementById('table').getAttribute('aria-rowcount')") == (
        str(COUNT + 4)
    )
    assert opened.evaluate(FIRST) == DOCSIM
    opened.evaluate("document.getElementById('scroller').scrollTop = 1e9")
    opened.wait_for(f"{NAMES}.at(-1) === 'team-19/model-09999.tar.gz'")
    assert opened.evaluate("document.querySelectorAll('#rows tr').length") < MOST_ROWS
    seen = (
        "(() => { const box = document.getElementById('scroller').getBoundingClientRect();"
        " const last = document.querySelector('#rows tr:last-child').getBoundingClientRect();"
        " return last.bottom <= box.bottom + 1 && last.top >= box.top; })()"
    )
    assert opened.evaluate(seen)


def test_searching_finds_by_parts_of_the_name(opened):
    opened.click("#search")
    opened.type("team-07 0042")
    wait_for_text(opened, "#count", "1 of 10,003 models")
    assert opened.evaluate(NAMES) == ["team-07/model-00427.tar.gz"]
    set_value(opened, "#search", "no such model")
    opened.wait_for("document.getElementById('nothing').checkVisibility()")
    assert text_of(opened, "#nothing") == "No model is like that."


def test_searching_ten_thousand_models_takes_no_noticeable_time(opened):
    took_ms = opened.evaluate(
        "(() => { const search = document.getElementById('search');"
        " const began = performance.now();"
        " for (const text of ['m', 'mo', 'model-09', 'model-0999']) { search.value = text;"
        " search.dispatchEvent(new Event('input')); } return (performance.now() - began) / 4; })()"
    )
    assert took_ms < 250


def test_a_column_orders_either_way_and_what_is_unknown_comes_last(opened, endpoint):
    for target, count in (("team-01/model-00001.tar.gz", 1), ("team-02/model-00002.tar.gz", 3)):
        for _ in range(count):
            assert ask(endpoint, target) == 200
    known = "['team-02/model-00002.tar.gz', 'team-01/model-00001.tar.gz']"
    opened.click("#heads .requests button")
    position = f"{NAMES}.filter(name => {known}.includes(name))"
    opened.wait_for(f"JSON.stringify({position}) === JSON.stringify({known})")
    sort = "document.querySelector('#heads .requests').getAttribute('aria-sort')"
    assert opened.evaluate(sort) == "descending"
    opened.click("#heads .requests button")
    assert opened.evaluate(sort) == "ascending"
    opened.wait_for(f"JSON.stringify({position}) === JSON.stringify({known}.reverse())")


def test_what_happens_shows_without_asking(opened, endpoint):
    target = "team-03/model-00003.tar.gz"
    set_value(opened, "#search", target)
    wait_for_text(opened, "#rows .state", "in the store")
    assert ask(endpoint, target) == 200
    wait_for_text(opened, "#rows .state", "ready")
    wait_for_text(opened, "#rows .requests", "1")
    wait_for_text(opened, "#events", target)


def test_a_model_is_loaded_asked_pinned_and_unloaded(opened, endpoint):
    open_model(opened, DOCSIM)
    opened.click("#act-load")
    wait_for_text(opened, "#act-said", "It is loaded")
    wait_for_text(opened, "#detail-state", "ready")
    opened.wait_for("document.getElementById('invoke-body').value")
    opened.click("#invoke-send")
    wait_for_text(opened, "#answer-said", "200, after")
    assert float(json.loads(text_of(opened, "#answer"))[0]) > 0
    opened.click("#answer-said button")
    wait_for_text(opened, "#logs", "/invocations")
    assert "200" in text_of(opened, "#logs")
    opened.click("#act-pin")
    wait_for_text(opened, "#act-said", "It is pinned")
    assert requests.get(f"{endpoint.url}/models/{DOCSIM}", timeout=60).json()["pinned"]
    opened.click("#act-pin")
    wait_for_text(opened, "#act-said", "It may leave")
    opened.click("#act-unload")
    wait_for_text(opened, "#act-said", "It has left memory")
    wait_for_text(opened, "#detail-state", "on disk")
    wait_for_text(opened, "#detail-why", "unloaded")
    assert "unloaded" in text_of(opened, "#detail-events")


def test_a_link_to_a_model_opens_it(page, endpoint):
    page.open(f"{endpoint.url}/#model=en%2FSearch.tar.gz")
    wait_for_text(page, "#detail-title", "en/Search.tar.gz")
    wait_for_text(page, "#detail-why", "in the store")
    page.evaluate("location.hash = 'model=team-04%2Fmodel-00004.tar.gz'")
    wait_for_text(page, "#detail-title", "team-04/model-00004.tar.gz")
    page.evaluate("history.back()")
    wait_for_text(page, "#detail-title", "en/Search.tar.gz")
    page.click("#detail-close")
    page.wait_for("location.hash === ''")


def test_what_an_action_is_refused_for_is_said_in_words(page, endpoint):
    page.open(f"{endpoint.url}/")
    page.wait_for(is_complete(COUNT))
    open_model(page, "team-05/model-00005.tar.gz")
    page.click("#act-unload")
    wait_for_text(page, "#act-said", "is not loaded here")
    set_value(page, "#invoke-type", "text/csv")
    set_value(page, "#invoke-body", "one text")
    page.click("#invoke-send")
    wait_for_text(page, "#answer-said", "424: the model answered 400")


def test_the_log_of_a_model_goes_on_while_it_is_looked_at(opened, endpoint):
    target = "team-06/model-00006.tar.gz"
    assert ask(endpoint, target) == 200
    open_model(opened, target)
    opened.click("#logs-fold summary")
    wait_for_text(opened, "#logs", "/invocations")
    count = "document.querySelectorAll('#logs li').length"
    before = opened.evaluate(count)
    assert ask(endpoint, target, "one text") == 424
    opened.wait_for(f"{count} > {before}")
    set_value(opened, "#logs-level", "WARNING")
    wait_for_text(opened, "#logs .warn .message", "424")
    assert "WARNING" in text_of(opened, "#logs")
    assert "INFO" not in text_of(opened, "#logs")


def test_what_a_request_did_is_found_by_its_id(opened, endpoint):
    answer = requests.post(
        f"{endpoint.url}/invocations", data="one text", timeout=60,
        headers={"Content-Type": "text/csv", "X-Amzn-SageMaker-Target-Model": DOCSIM},
    )  # fmt: skip
    opened.click("#all-logs-fold summary")
    wait_for_text(opened, "#all-logs", "/invocations")
    set_value(opened, "#all-logs-request", answer.headers["x-amzn-RequestId"])
    opened.wait_for("!document.getElementById('all-logs').textContent.includes('GET /')")
    wait_for_text(opened, "#all-logs", "BadInput")
    assert answer.headers["x-amzn-RequestId"] in text_of(opened, "#all-logs")


def test_rows_stay_in_their_order_under_the_mouse(opened, endpoint):
    first, second = "team-10/model-00010.tar.gz", "team-11/model-00011.tar.gz"
    assert [ask(endpoint, target) for target in (first, first, second)] == [200] * 3
    set_value(opened, "#search", "model-0001")
    opened.click("#heads .requests button")
    opened.wait_for(begins_with(first, second))
    x, y = opened.evaluate(
        "(() => { const row = document.querySelector('#rows tr:nth-child(2)');"
        " row.scrollIntoView({block: 'center'}); const box = row.getBoundingClientRect();"
        " return [box.x + 40, box.y + 9]; })()"
    )
    opened.ask("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    assert [ask(endpoint, second) for _ in range(5)] == [200] * 5
    wait_for_text(opened, f"#rows tr[data-name={json.dumps(second)}] .requests", "6")
    assert opened.evaluate(begins_with(first, second))
    opened.ask("Input.dispatchMouseEvent", type="mouseMoved", x=5, y=5)
    opened.wait_for(begins_with(second, first))
