"""The three surfaces over engines without models."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

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
