"""Settings come from the environment, once, and say what is wrong with them."""

from __future__ import annotations

import pytest

from mme.cli.settings import meanings
from mme.core.settings import Settings, SettingsError, read_settings


def test_defaults_serve_the_shipped_artifacts_on_port_8080():
    settings = Settings()
    assert settings.port == 8080
    assert settings.store.endswith("artifacts")
    assert settings.endpoint_names == ()


def test_each_variable_is_read(monkeypatch):
    monkeypatch.setenv("MME_PORT", "9001")
    monkeypatch.setenv("MME_ENDPOINT_NAMES", "one, two,")
    settings = read_settings()
    assert settings.port == 9001
    assert settings.endpoint_names == ("one", "two")


def test_every_variable_that_is_off_is_named_with_its_value(monkeypatch):
    monkeypatch.setenv("MME_PORT", "http")
    monkeypatch.setenv("MME_LOG_LEVEL", "loud")
    with pytest.raises(SettingsError, match=r"MME_PORT='http'.*MME_LOG_LEVEL='loud'"):
        read_settings()


def test_every_setting_has_a_meaning():
    assert meanings().keys() == Settings.model_fields.keys()
    assert all(len(meaning) > 10 for meaning in meanings().values())
