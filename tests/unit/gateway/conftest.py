"""The three surfaces over engines without models."""

from __future__ import annotations

import pytest

from mme.core.settings import Settings
from mme.gateway import BodyBudget, make_app, make_platform_app, make_single_app
from tests.support.fake_engine import FakePlatform, FakeSole, FakeStandalone, served

MAX_BODY_BYTES = 1024 * 1024


@pytest.fixture
def settings(monkeypatch) -> Settings:
    return Settings(max_body_bytes=MAX_BODY_BYTES, endpoint_names=())


@pytest.fixture
def bodies() -> BodyBudget:
    return BodyBudget(2 * MAX_BODY_BYTES)


@pytest.fixture
async def engine() -> FakeStandalone:
    return FakeStandalone()


@pytest.fixture
async def endpoint(settings, engine, bodies):
    async with served(make_app(settings, engine, bodies)) as running:
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
