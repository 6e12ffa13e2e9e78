"""The page's files and the sample request of a model, over an engine without models."""

from __future__ import annotations

import re

import pytest
from yarl import URL

from mme.gateway.page import FILES
from tests.support.fake_engine import view

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
NAMES = sorted(path.name for path in FILES.iterdir())
REFERENCES = re.compile(r"""(?:href|src)="page/([^"]+)"|from "\./([^"]+)\"""")


async def test_a_browser_gets_the_page(endpoint):
    async with endpoint.client.get("/", headers=BROWSER) as answer:
        assert (answer.status, answer.content_type) == (200, "text/html")
        assert (await answer.text()).startswith("<!doctype html>")


async def test_other_clients_get_the_calls_there_are(endpoint):
    async with endpoint.client.get("/") as answer:
        calls = (await answer.json())["calls"]
    assert {"GET /", "GET /models", "POST /invocations"} <= set(calls)


@pytest.mark.parametrize("name", NAMES)
async def test_every_file_is_served_and_may_load_nothing_from_elsewhere(endpoint, name):
    async with endpoint.client.get(f"/page/{name}") as answer:
        assert answer.status == 200
        assert await answer.read() == (FILES / name).read_bytes()
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'; ")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_file_a_browser_has_is_not_sent_again(endpoint):
    async with endpoint.client.get("/page/main.js") as answer:
        tag = answer.headers["ETag"]
    async with endpoint.client.get("/page/main.js", headers={"If-None-Match": tag}) as answer:
        assert (answer.status, await answer.read()) == (304, b"")
    async with endpoint.client.get("/page/main.js", headers={"If-None-Match": '"x"'}) as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    "name", ["nothing.js", "..%2Fpage.py", "%2e%2e%2fpage.py", "%2Fetc%2Fpasswd"]
)
async def test_nothing_but_the_files_of_the_page_is_served(endpoint, name):
    async with endpoint.client.get(URL(f"{endpoint.url}/page/{name}", encoded=True)) as answer:
        assert (answer.status, "page" in (await answer.json())["Message"]) == (404, True)


def test_files_that_are_referred_to_exist_and_none_is_left_over():
    texts = [(FILES / name).read_text(encoding="utf-8") for name in NAMES]
    found = {one or other for text in texts for one, other in REFERENCES.findall(text)}
    assert found == set(NAMES) - {"index.html"}


def test_the_page_has_no_script_or_style_of_its_own_and_no_address_elsewhere():
    html = (FILES / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<style|style=|<script(?! type=\"module\" src=)|\son\w+=", html)
    for name in NAMES:
        text = (FILES / name).read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|innerHTML|insertAdjacentHTML|eval\(", text), name


async def test_a_model_has_a_sample_request(endpoint, engine):
    engine.views["de/m.tar.gz"] = view("de/m.tar.gz")
    async with endpoint.client.get("/models/de/m.tar.gz/sample") as answer:
        said = await answer.json()
    assert said == {"content_type": "text/plain", "body": "a text", "is_own": False}


async def test_an_unknown_model_has_none(endpoint):
    async with endpoint.client.get("/models/never.tar.gz/sample") as answer:
        assert (answer.status, "never.tar.gz" in (await answer.json())["Message"]) == (404, True)
