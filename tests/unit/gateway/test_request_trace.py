"""GET /trace: the last invocations as CSV or lines of JSON, and what cannot be asked."""

from __future__ import annotations

import csv
import io
import json

import pytest

from mme.core.invocation_log import Asked
from mme.core.request_ring import RequestRing
from mme.core.timing import Timing
from mme.endpoints.serving import Serving
from mme.gateway import make_app
from mme.gateway.request_trace import COLUMNS, RequestTrace
from tests.support.fake_engine import served


@pytest.fixture
async def get(settings, engine, bodies):
    ring = RequestRing(2000, clock=lambda: 10.0)
    for number in range(1500):
        asked = Asked(f'de/"{number}",ü', outcome="cold", timing=Timing(0, 0.001, 0.002, 0.003))
        ring.add(asked, 200, 0.5)
    app = make_app(
        settings, engine, Serving(settings, engine), bodies, more=RequestTrace(ring).routes()
    )
    async with served(app) as running:

        async def get(query=""):
            async with running.client.get(f"/trace?{query}") as answer:
                return answer, await answer.text()

        yield get


async def test_all_rows_come_as_csv(get):
    answer, text = await get()
    head, *rows = csv.reader(io.StringIO(text))
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert tuple(head) == COLUMNS
    assert len(rows) == 1500
    assert rows[0] == [
        "1970-01-01T00:00:09.500000+00:00", 'de/"0",ü', "200", "cold", "1",
        "0.0", "1.0", "2.0", "3.0", "500.0",
    ]  # fmt: skip


async def test_the_last_ones_come_as_lines_of_json(get):
    answer, text = await get("last=2&format=jsonl")
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert [json.loads(line)["target_model"] for line in text.splitlines()] == [
        'de/"1498",ü', 'de/"1499",ü',
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("last=0", "last='0' is no number of invocations above 0"),
        ("last=many", "last='many' is no number"),
        ("format=xml", "format='xml' is none of csv, jsonl"),
    ],
)
async def test_what_cannot_be_asked_is_said(get, query, said):
    answer, text = await get(query)
    assert answer.status == 400
    assert said in text
