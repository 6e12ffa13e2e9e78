"""Two ports: one for operators, and a public one that says what is only there."""

from __future__ import annotations

import contextlib

import pytest

from mme.core.settings import Settings
from mme.endpoints.serving import Serving
from mme.gateway import make_app
from mme.gateway.ports import is_for_callers
from tests.support.fake_engine import served

TARGET = {"X-Amzn-SageMaker-Target-Model": "m"}


@pytest.fixture
def two_ports() -> Settings:
    return Settings(management_port=8081, port=8080, endpoint_names=())


@pytest.fixture
async def ports(two_ports, engine, bodies):
    door = make_app(two_ports, engine, Serving(two_ports, engine), bodies)
    assert door.management is not None
    async with contextlib.AsyncExitStack() as stack:
        yield [
            (await stack.enter_async_context(served(each))).client
            for each in (door, door.management)
        ]


async def test_callers_are_answered_at_the_public_port_and_operators_at_theirs(ports):
    public, management = ports
    for path in ("/invocations", "/endpoints/demo/invocations"):
        async with public.post(path, data=b"x", headers=TARGET) as answer:
            assert answer.status == 200
    async with management.get("/models") as answer:
        assert answer.status == 200


async def test_health_is_answered_at_both(ports):
    for port in ports:
        async with port.get("/ping") as answer:
            assert answer.status == 200
        async with port.head("/ping") as answer:
            assert answer.status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/models"),
        ("GET", "/models/de/DocSim.tar.gz?x=1"),
        ("DELETE", "/models/m"),
        ("GET", "/aliases"),
        ("POST", "/"),
    ],
)
async def test_the_public_port_says_where_management_is(ports, method, path):
    async with ports[0].request(method, path) as answer:
        assert answer.status == 404
        told = (await answer.json())["Message"]
    assert told == (
        f"{path.partition('?')[0]} is answered at the port of management"
        " (MME_MANAGEMENT_PORT=8081), not here"
    )


async def test_the_management_port_answers_invocations_too(ports):
    async with ports[1].post("/invocations", data=b"x", headers=TARGET) as answer:
        assert answer.status == 200


async def test_what_is_nowhere_is_nowhere_at_both(ports):
    for port in ports:
        async with port.get("/nothing") as answer:
            assert answer.status == 404
            assert (await answer.json())["Message"] == "There is nothing at /nothing"


async def test_a_name_of_public_dns_is_refused_at_both(ports):
    for port in ports:
        async with port.get("/ping", headers={"Host": "evil.example"}) as answer:
            assert answer.status == 403


async def test_on_a_socket_any_name_will_do_for_no_web_page_reaches_it(engine, bodies, tmp_path):
    settings = Settings(socket=tmp_path / "mme.sock", endpoint_names=())
    door = make_app(settings, engine, Serving(settings, engine), bodies)
    async with (
        served(door) as running,
        running.client.get("/ping", headers={"Host": "mme.example.org"}) as answer,
    ):
        assert answer.status == 200


@pytest.mark.parametrize(
    ("path", "is_so"),
    [
        ("/ping", True),
        ("/invocations", True),
        ("/endpoints/{endpoint}/invocations", True),
        ("/endpoints/{endpoint}/invocations-response-stream", True),
        ("/endpoints/{endpoint}/async-invocations", True),
        ("/endpoints/{endpoint}/async-metrics", False),
        ("/models/{target...}", False),
        ("/v2", True),
        ("/v2/health/ready", True),
        ("/v2/models/{target...}", True),
        ("/v2/models/{target...}/infer", True),
        ("/v2/models/{target...}/stats", False),
        ("/v2/models/stats", False),
        ("/v2/repository/index", False),
        ("/v2/repository/models/{target...}/load", False),
        ("/what-nobody-has-thought-of", False),
        ("/", False),
    ],
)
def test_only_health_invocations_and_what_became_of_them_are_for_callers(path, is_so):
    assert is_for_callers(path) is is_so
