"""What collectors and orchestrators ask, on each of the three surfaces."""

from __future__ import annotations

import pytest

from mme.endpoints.serving import Serving
from mme.gateway import make_app, make_platform_app, make_single_app
from mme.gateway.health import UNKNOWN, Health
from mme.gateway.metrics import MetricsSurface
from mme.metrics.cloudwatch import CloudWatch
from mme.metrics.exposition import Exposition
from tests.support.fake_engine import FakePlatform, FakeSole, FakeStandalone, served
from tests.support.measured import OPENMETRICS, FakeState, scraped, sources_of


@pytest.fixture
def state() -> FakeState:
    return FakeState()


@pytest.fixture
def sources(state):
    return sources_of(state)


@pytest.fixture(params=["standalone", "platform", "single"])
async def asked(request, settings, bodies, sources, state):
    """A client, and the engine behind what it asks."""
    kinds = {"standalone": FakeStandalone, "platform": FakePlatform, "single": FakeSole}
    engine = kinds[request.param]()
    routes = MetricsSurface(Exposition(sources, 10), CloudWatch(sources)).routes()
    routes += Health(lambda: state.missing, engine.is_ready).routes()
    more = {"more": routes, "counts": sources.http}
    if isinstance(engine, FakeStandalone):
        server = make_app(settings, engine, Serving(settings, engine), bodies, **more)
    elif isinstance(engine, FakePlatform):
        server = make_platform_app(settings, engine, bodies, **more)
    else:
        assert isinstance(engine, FakeSole)
        server = make_single_app(settings, engine, bodies, **more)
    async with served(server) as running:
        yield running.client, engine


@pytest.mark.parametrize("accept", ["text/plain", OPENMETRICS])
async def test_metrics_are_told_in_the_form_that_is_asked_for(asked, accept):
    client, _ = asked
    async with client.get("/metrics", headers={"Accept": accept}) as answer:
        assert answer.status == 200
        form = answer.headers["Content-Type"]
        scrape = scraped(await answer.read(), accept if accept == OPENMETRICS else "")
    assert form.startswith(accept.partition(";")[0])
    assert scrape("mme_ready") == 1


async def test_requests_are_counted_by_their_route_whatever_becomes_of_them(asked):
    client, _ = asked
    for path in ("/livez", "/livez", "/nothing/here", "/nothing/there"):
        async with client.get(path) as answer:
            await answer.read()
    async with client.delete("/metrics") as answer:
        assert answer.status == 405
    async with client.get("/metrics") as answer:
        scrape = scraped(await answer.read())
    name = "mme_http_requests_total"
    assert scrape(name, method="GET", route="/livez", status="200") == 2
    assert scrape(name, method="GET", route="", status="404") == 2
    assert scrape(name, method="DELETE", route="", status="405") == 1


async def test_cloudwatch_metrics_are_asked_for_by_namespace(asked):
    client, _ = asked
    async with client.get("/cloudwatch-metrics") as answer:
        told = await answer.json()
    assert told["Namespace"] == "AWS/SageMaker"
    assert "Invocations" in {each["MetricName"] for each in told["MetricData"]}
    params = {"namespace": "/aws/sagemaker/Endpoints"}
    async with client.get("/cloudwatch-metrics", params=params) as answer:
        told = await answer.json()
    assert "LoadedModelCount" in {each["MetricName"] for each in told["MetricData"]}
    async with client.get("/cloudwatch-metrics", params={"namespace": "Mine"}) as answer:
        assert answer.status == 400
        assert "'Mine' is none of AWS/SageMaker" in await answer.text()


async def test_it_lives_though_it_is_not_ready(asked, state):
    client, engine = asked
    engine.is_up, state.missing = False, "no worker of the pool is up yet"
    async with client.get("/livez") as answer:
        assert (answer.status, await answer.json()) == (200, {"alive": True})
    async with client.get("/readyz") as answer:
        assert answer.status == 503
        assert await answer.json() == {"ready": False, "reasons": [state.missing]}
    assert engine.pings == 0, "what is known needs no try"


async def test_what_seems_ready_is_tried(asked):
    client, engine = asked
    async with client.get("/readyz") as answer:
        assert (answer.status, await answer.json()) == (200, {"ready": True})
    engine.is_up = False
    async with client.get("/readyz") as answer:
        assert answer.status == 503
        assert await answer.json() == {"ready": False, "reasons": [UNKNOWN]}
    async with client.head("/readyz") as answer:
        assert answer.status == 503
