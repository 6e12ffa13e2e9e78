"""What the tests rely on when a page tells them that nothing was wrong: it would have said so."""

from __future__ import annotations

import pytest

from tests.support.browser import BrowserError


def opened(page, tmp_path, content):
    path = tmp_path / "page.html"
    path.write_text(f"<!doctype html>{content}", encoding="utf-8")
    return page.open(path)


def test_errors_on_the_console_and_uncaught_ones_are_told(page, tmp_path):
    content = "<script>console.error('one', 2); throw new Error('three')</script>"
    said = opened(page, tmp_path, content).errors
    assert said[0] == "one 2"
    assert said[1].startswith("Error: three")


def test_whatever_is_asked_for_is_told(page, tmp_path):
    opened(page, tmp_path, '<img src="http://127.0.0.1:9/x.png">')
    assert "http://127.0.0.1:9/x.png" in page.requests
    assert any("net::ERR_" in said for said in page.errors)


def test_a_page_can_be_waited_for(page, tmp_path):
    opened(page, tmp_path, "<script>setTimeout(() => document.title = 'later', 20)</script>")
    page.wait_for("document.title === 'later'")
    assert page.evaluate("Promise.resolve([1, {a: null}])") == [1, {"a": None}]


def test_a_script_that_fails_is_an_error(page, tmp_path):
    opened(page, tmp_path, "")
    with pytest.raises(BrowserError, match="ReferenceError"):
        page.evaluate("nothing.of_the_kind")


def test_an_address_nobody_answers_at_is_an_error(page):
    with pytest.raises(BrowserError, match="net::ERR_"):
        page.open("http://127.0.0.1:1/")


def test_a_new_page_knows_nothing_of_an_earlier_one(browser, tmp_path):
    path = tmp_path / "page.html"
    path.write_text("<!doctype html>", encoding="utf-8")
    with browser.page() as one:
        one.open(path).evaluate("localStorage.setItem('a', 'b')")
    with browser.page() as other:
        assert other.open(path).evaluate("localStorage.getItem('a')") is None


def test_a_picture_has_the_size_of_the_window(page, tmp_path):
    opened(page, tmp_path, "<p>x")
    page.resize(400, 300, scale=2)
    picture = page.picture()
    assert picture[:4] == b"\x89PNG"
    assert (int.from_bytes(picture[16:20]), int.from_bytes(picture[20:24])) == (800, 600)
