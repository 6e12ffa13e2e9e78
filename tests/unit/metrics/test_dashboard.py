"""The dashboard: its file is what the command makes, its queries hold series there are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mme.metrics.dashboard import WIDTH, dashboard, text
from mme.metrics.exposition import Exposition
from mme.residency.status import Share
from tests.support.dashboards import missing_in, queries_in
from tests.support.measured import answered, scraped, sources_of

FILE = Path(__file__).parents[3] / "deploy" / "grafana" / "mme.json"


def test_the_file_is_what_the_command_writes():
    assert FILE.read_text(encoding="utf-8") == text(), "run: make dashboard"


def test_each_query_asks_for_series_that_there_are(state):
    sources = sources_of(state)
    state.shares["m"] = Share("m", 1024, 1)
    answered(sources.observed, "m", "first")
    sources.http.ended("GET", "/models", 200, 0.1)
    scrape = scraped(Exposition(sources, 10))
    asked = queries_in(json.loads(FILE.read_text(encoding="utf-8")))
    assert len(asked) > 30
    assert not missing_in(scrape, asked)


@pytest.mark.parametrize(
    ("query", "missing"),
    [
        ("sum(rate(mme_invocations_total{outcome='warm'}[5m]))", []),
        ("sum(rate(mme_made_up_total[5m]))", ["mme_made_up_total"]),
        ('mme_invocations_total{made_up="x"}', ["mme_invocations_total{made_up}"]),
        ("sum by (made_up) (mme_workers)", ["mme_workers{made_up}"]),
    ],
)
def test_what_is_missing_would_be_found(state, query, missing):
    scrape = scraped(Exposition(sources_of(state), 10))
    assert missing_in(scrape, [query]) == missing


def test_panels_lie_beside_and_below_each_other():
    taken: set[tuple[int, int]] = set()
    panels = dashboard()["panels"]
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= WIDTH
        cells = {
            (place["x"] + right, place["y"] + down)
            for right in range(place["w"])
            for down in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in panels}) == len(panels)
