"""The page on other servers' own tests: read as they are written, told as they ended."""

from __future__ import annotations

import json

import pytest

from tests.peers import page
from tests.peers.page import Case
from tests.peers.postman import read_collection, read_environment

SCRIPT = [
    'pm.test("x", function () {',
    "pm.expect(pm.response.code).to.be.oneOf([200, 201]);",
    "});",
]


def test_a_collection_is_read_with_its_variables_and_the_statuses_its_scripts_take(tmp_path):
    ask = {"method": "POST", "url": {"raw": "{{protocol}}://h:{{port}}/models?url={{url}}"}}
    ask["body"] = {"mode": "file", "file": {"src": "{{file}}"}}
    events = [{"listen": "test", "script": {"exec": SCRIPT}}]
    plain = {"name": "second", "request": {"method": "GET", "url": {"raw": "http://h/ping"}}}
    items = [{"name": "first", "request": ask, "event": events}, plain]
    (tmp_path / "c.json").write_text(json.dumps({"item": items}))
    values = [{"key": "protocol", "value": "http"}, {"key": "port", "value": "1"}]
    (tmp_path / "e.json").write_text(json.dumps({"values": values}))
    variables = read_environment(tmp_path / "e.json") | {"url": "u", "file": "kitten.jpg"}
    first, second = read_collection(tmp_path / "c.json", variables)
    assert (first.method, first.url, first.file) == (
        "POST",
        "http://h:1/models?url=u",
        "kitten.jpg",
    )
    assert first.statuses == {200, 201}
    assert (second.name, second.file, second.statuses) == ("second", None, frozenset())
    with pytest.raises(KeyError):
        list(read_collection(tmp_path / "c.json", {}))


def test_only_what_is_not_known_of_a_case_is_unexpected():
    ok, known = Case("toolkit", "test_ping", True, ""), Case("mms", "management 4: x", False, "405")
    assert page.unexpected([ok, known]) == []
    (new,) = page.unexpected([Case("toolkit", "test_ping", False, "503")])
    assert new == "toolkit: test_ping differs: 503"
    (passes,) = page.unexpected([Case("mms", "management 4: x", True, "")])
    assert "passes, and is among the differences" in passes


def test_the_page_tells_every_difference_and_no_other():
    rows = [line for line in page.DOCUMENT.read_text().splitlines() if " | differs: " in line]
    known = [why for cases in page.DIFFERENCES.values() for why in cases.values()]
    assert sorted(row.partition(" | differs: ")[2].removesuffix(" |") for row in rows) == sorted(
        known
    )
