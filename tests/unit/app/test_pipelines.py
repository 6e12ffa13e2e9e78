"""The operator's pipelines at the start of an endpoint."""

from __future__ import annotations

import json
import logging

import pytest

from mme.app.pipelines import pipelined, pipelines_of
from mme.core.errors import ModelFailed
from mme.core.settings import Settings, SettingsError
from tests.support.fake_engine import FakeStandalone


@pytest.fixture
def settings(tmp_path):
    path = tmp_path / "pipelines.json"
    path.write_text(json.dumps({"p": ["a", "b"], "q": ["b", "http://127.0.0.1:1/invocations"]}))
    return Settings(pipelines=path)


def test_without_a_file_there_are_none():
    assert pipelines_of(Settings()) == {}


def test_a_file_that_is_off_is_a_setting_that_cannot_be_used(tmp_path):
    with pytest.raises(SettingsError, match=r"^MME_PIPELINES='.*none\.json': it cannot be read"):
        pipelines_of(Settings(pipelines=tmp_path / "none.json"))


async def test_an_endpoint_of_the_same_name_is_told_of(settings, caplog):
    caplog.set_level(logging.INFO, "mme")
    engine = FakeStandalone()
    async with pipelined(settings, pipelines_of(settings), engine, ["p", "other"]) as asked:
        assert (await asked.invoke("pipeline://p", {}, b"x")).status == 200
    assert [each.model for each in engine.asked] == ["a", "b"]
    assert "the pipeline p of MME_PIPELINES does not answer" in caplog.text
    assert "pipelines: p, q" in caplog.text


async def test_a_step_that_is_a_url_is_asked_by_http(settings):
    async with pipelined(settings, pipelines_of(settings), FakeStandalone(), []) as asked:
        with pytest.raises(ModelFailed, match="it cannot be reached: Connection refused"):
            await asked.invoke("pipeline://q", {}, b"x")
