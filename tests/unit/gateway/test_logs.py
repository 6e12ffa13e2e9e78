"""GET /logs: the last lines by what they are about, and what cannot be asked."""

from __future__ import annotations

import json
import logging

import pytest

from mme.core.log_format import Line
from mme.core.log_ring import LogRing
from mme.endpoints.serving import Serving
from mme.gateway import make_app
from mme.gateway.logs import Logs
from tests.support.fake_engine import served


@pytest.fixture
def ring():
    made = LogRing()
    for number in range(5):
        level = logging.WARNING if number == 3 else logging.INFO
        made.add(Line(float(number), level, "room", f"line {number}", "m", f"r{number % 2}"))
    made.add(Line(9.0, logging.ERROR, "room", "a\nb", trace="Traceback"))
    return made


@pytest.fixture
async def get(settings, engine, bodies, ring):
    routes = Logs(ring).routes()
    server = make_app(settings, engine, Serving(settings, engine), bodies, more=routes)
    async with served(server) as running:

        async def get(query=""):
            async with running.client.get(f"/logs?{query}") as answer:
                return answer.status, await answer.json()

        yield get


async def test_a_line_has_what_is_known_of_it(get):
    _, content = await get("limit=2")
    first, last = content["lines"]
    assert first == {
        "id": last["id"] - 1,
        "at": "1970-01-01T00:00:04.000+00:00",
        "level": "INFO",
        "logger": "room",
        "message": "line 4",
        "target_model": "m",
        "request_id": "r0",
    }
    assert (last["level"], last["message"], last["trace"]) == ("ERROR", "a\nb", "Traceback")
    assert content["last_id"] == last["id"]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("target=m", [0, 1, 2, 3, 4]),
        ("request_id=r1", [1, 3]),
        ("level=warning&target=m", [3]),
        ("target=m&limit=2", [3, 4]),
        ("target=other", []),
    ],
)
async def test_lines_are_found_by_what_they_are_about(get, query, numbers):
    _, content = await get(query)
    assert [line["message"] for line in content["lines"]] == [f"line {n}" for n in numbers]


async def test_who_asks_for_what_came_after_a_line_gets_page_after_page(get):
    _, content = await get("target=m&limit=1")
    after, seen = content["lines"][0]["id"] - 5, []
    while True:
        _, content = await get(f"after={after}&limit=2")
        if not content["lines"]:
            break
        seen += [line["message"] for line in content["lines"]]
        after = content["last_id"]
    assert seen == ["line 0", "line 1", "line 2", "line 3", "line 4", "a\nb"]


@pytest.mark.parametrize(
    "query", ["level=loud", "level=30", "limit=0", "limit=x", "after=-1", "after=%C2%B2"]
)
async def test_what_cannot_be_asked_is_refused(get, query):
    status, content = await get(query)
    assert status == 400
    assert content["Message"]


async def test_a_frame_of_long_lines_is_cut_and_the_next_goes_on(settings, engine, bodies):
    ring = LogRing()
    for number in range(200):
        ring.add(Line(0.0, logging.INFO, "room", f"{number:04d}" + "x" * 3_996))
    server = make_app(settings, engine, Serving(settings, engine), bodies, more=Logs(ring).routes())
    accept = {"Accept": "text/event-stream"}
    numbers: list[int] = []
    async with (
        served(server) as running,
        running.client.get("/logs?after=1", headers=accept) as answer,
    ):
        while len(numbers) < 200:
            frame = await answer.content.readuntil(b"\n\n")
            assert len(frame) < 512 * 1024
            lines = json.loads(frame.partition(b"data: ")[2])
            numbers += [int(line["message"][:4]) for line in lines]
        answer.close()
    assert numbers == list(range(200))
