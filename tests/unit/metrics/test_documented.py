"""The page on metrics has all of them and none that there is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mme.metrics.exposition import Exposition
from mme.residency.status import Share
from tests.support.measured import answered, scraped, sources_of

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"
ROW = re.compile(r"^\| (`[a-z_`, ]+`) \|", re.MULTILINE)
PARTS = re.compile(r"_(bucket|sum|count)$")


@pytest.fixture
def scrape(state):
    sources = sources_of(state)
    state.shares["m"] = Share("m", 1024, 1)
    answered(sources.observed, "m")
    sources.observed.spent.stepped("m", {"search": 0.1})
    sources.http.ended("GET", "/models", 200, 0.1)
    return scraped(Exposition(sources, 10))


def test_the_table_names_every_metric_and_no_other(scrape):
    table = PAGE.read_text(encoding="utf-8").partition("## What there is")[2].partition("## ")[0]
    written = {f"mme_{name}" for row in ROW.findall(table) for name in re.findall(r"\w+", row)}
    assert written == {PARTS.sub("", name) for name in scrape.names}


def test_alarms_ask_for_series_that_there_are(scrape):
    asked = re.findall(r"mme_\w+", PAGE.read_text(encoding="utf-8"))
    known = scrape.names | {PARTS.sub("", name) for name in scrape.names} | {"mme_"}
    assert not set(asked) - known
