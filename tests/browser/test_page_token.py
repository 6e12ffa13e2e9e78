"""The page of an endpoint that asks for a token."""

from __future__ import annotations

import hashlib
import json

import pytest

from tests.support.crowd import fill_store, is_complete
from tests.support.endpoint import running_endpoint

COUNT = 3
READER, MANAGER = "a-token-that-may-read", "a-token-that-may-all"
UNAUTHORIZED = "Failed to load resource: the server responded with a status of 401 (Unauthorized)"


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    scratch = tmp_path_factory.mktemp("token")
    fill_store(scratch / "store", COUNT)
    lines = [
        f"{name} {scopes} sha256:{hashlib.sha256(token.encode()).hexdigest()}\n"
        for name, scopes, token in (
            ("reader", "read", READER),
            ("manager", "read,manage,invoke", MANAGER),
        )
    ]
    (scratch / "tokens").write_text("".join(lines))
    settings = {"MME_TOKENS_FILE": str(scratch / "tokens")}
    with running_endpoint(str(scratch / "store"), scratch, settings) as running:
        yield running


def wait_for_text(page, selector, words):
    shown, wanted = json.dumps(selector), json.dumps(words)
    page.wait_for(f"document.querySelector({shown})?.textContent.includes({wanted})")


def give(page, token):
    page.wait_for("document.activeElement.id === 'token-value'")
    page.type(token)
    page.press("Enter")


def test_a_token_is_asked_for_and_kept_for_the_tab(page, endpoint):
    page.open(f"{endpoint.url}/")
    wait_for_text(page, "#token-said", "Authorization")
    give(page, "one-that-nobody-has")
    wait_for_text(page, "#token-said", "The token was not taken")
    give(page, MANAGER)
    page.wait_for(is_complete(COUNT))
    assert set(page.errors) == {UNAUTHORIZED}
    page.open(f"{endpoint.url}/?again#model=en%2FDocSim.tar.gz")
    page.wait_for(is_complete(COUNT))
    page.click("#act-load")
    wait_for_text(page, "#act-said", "It is loaded")
    assert page.errors == []
    assert MANAGER not in page.evaluate("document.documentElement.outerHTML")
    assert not any(MANAGER in address for address in page.requests)


def test_one_that_may_only_read_is_told_so(page, endpoint):
    page.open(f"{endpoint.url}/#model=en%2FSearch.tar.gz")
    give(page, READER)
    page.wait_for(is_complete(COUNT))
    wait_for_text(page, "#detail-why", "en/Search.tar.gz")
    page.click("#act-load")
    wait_for_text(page, "#act-said.bad", "manage")
    assert not page.evaluate("document.getElementById('token').open")


def test_whoever_gives_none_is_told_and_can_give_one_later(page, endpoint):
    page.open(f"{endpoint.url}/")
    page.wait_for("document.activeElement.id === 'token-value'")
    page.press("Escape")
    wait_for_text(page, "#live", "not live since")
    wait_for_text(page, "#health-title", "It is not known how it is")
    page.click("#live button")
    give(page, READER)
    page.wait_for(is_complete(COUNT))
    assert page.evaluate("document.getElementById('live').textContent") == "live"
