"""The three surfaces over engines without models."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from mme.core.settings import Settings
from mme.endpoints.serving import Serving
from mme.gateway import BodyBudget, make_app, make_platform_app, make_single_app
from tests.support.fake_engine import (
    FakeEngine,
    FakePlatform,
    FakeSole,
    FakeStandalone,
    Served,
    served,
)
from tests.support.gated import Gated

MAX_BODY_BYTES = 1024 * 1024


@pytest.fixture
def settings() -> Settings:
    return Settings(max_body_bytes=MAX_BODY_BYTES, endpoint_names=())


@pytest.fixture
def bodies() -> BodyBudget:
    return BodyBudget(2 * MAX_BODY_BYTES)


@pytest.fixture
async def engine() -> FakeStandalone:
    return FakeStandalone()


@pytest.fixture
async def endpoint(settings, engine, bodies):
    async with served(make_app(settings, engine, Serving(settings, engine), bodies)) as running:
        yield running


@pytest.fixture
async def platform() -> FakePlatform:
    return FakePlatform()


@pytest.fixture
async def container(settings, platform, bodies):
    async with served(make_platform_app(settings, platform, bodies)) as running:
        yield running


@pytest.fixture
async def sole() -> FakeSole:
    return FakeSole()


@pytest.fixture
async def single(settings, sole, bodies):
    async with served(make_single_app(settings, sole, bodies)) as running:
        yield running


@dataclass(frozen=True, slots=True)
class Surface:
    """One of the three, where they must do the same."""

    served: Served
    engine: FakeEngine
    invoke_path: str
    message_key: str
    """Where errors have their text."""

    def invoke(self, **options):
        headers = {"X-Amzn-SageMaker-Target-Model": "m"} | options.pop("headers", {})
        return self.served.client.post(self.invoke_path, headers=headers, **options)


@pytest.fixture(params=["standalone", "platform", "single"])
async def surface(request, settings, bodies):
    engine: FakeEngine
    key = "message"
    match request.param:
        case "standalone":
            engine = standalone = FakeStandalone()
            server, path, key = (
                make_app(settings, standalone, Serving(settings, standalone), bodies),
                "/invocations",
                "Message",
            )
        case "platform":
            engine = platform = FakePlatform()
            platform.folders["m"] = Path("/opt/ml/models/m/model")
            server, path = make_platform_app(settings, platform, bodies), "/models/m/invoke"
        case _:
            engine = sole = FakeSole()
            server, path = make_single_app(settings, sole, bodies), "/invocations"
    async with served(server) as running:
        yield Surface(running, engine, path, key)


@pytest.fixture
def gating(settings, engine, bodies, tmp_path) -> Gated:
    return Gated(settings, engine, bodies, tmp_path)


@pytest.fixture
async def gated(gating):
    async with gating.start() as running:
        yield running


@pytest.fixture
def in_thread():
    """boto3 waits for its answers, so it asks from another thread."""
    with ThreadPoolExecutor(1) as executor:
        yield lambda work: asyncio.get_running_loop().run_in_executor(executor, work)


@pytest.fixture
def refusal(in_thread):
    """Status, code and text of what boto3 raises."""

    async def refused(work):
        with pytest.raises(ClientError) as error:
            await in_thread(work)
        answer = error.value.response
        told = answer["Error"]
        return answer["ResponseMetadata"]["HTTPStatusCode"], told["Code"], told["Message"]

    return refused
