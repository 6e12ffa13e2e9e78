"""Who is told of metrics without asking: by mode and setting."""

from __future__ import annotations

import json

import pytest

from mme.app.metrics import Measured
from mme.app.modes import Mode
from mme.core.settings import Settings
from tests.support.measured import FakeState, sources_of


async def ready(_: float) -> bool:
    return True


@pytest.mark.parametrize(
    ("mode", "emf", "is_told"),
    [
        (Mode.STANDALONE, "auto", False),
        (Mode.STANDALONE, "on", True),
        (Mode.MULTI_MODEL, "auto", True),
        (Mode.SINGLE_MODEL, "auto", True),
        (Mode.MULTI_MODEL, "off", False),
    ],
)
async def test_embedded_metrics_are_for_sagemaker_unless_told_otherwise(capsys, mode, emf, is_told):
    measured = Measured(Settings(emf=emf), sources_of(FakeState(), mode.value), ready)
    async with measured.running():
        measured.counts.ended("POST", "/invocations", 200, 0.1)
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["Invocations"] for line in lines] == ([1.0] if is_told else [])


async def test_metrics_and_health_have_their_routes():
    measured = Measured(Settings(), sources_of(FakeState()), ready)
    told = {(method, path) for method, path, _ in measured.routes}
    paths = ("/metrics", "/cloudwatch-metrics", "/livez", "/readyz")
    assert told == {("GET", path) for path in paths}
