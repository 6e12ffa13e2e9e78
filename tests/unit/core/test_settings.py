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


@pytest.mark.parametrize(
    ("text", "size"),
    [("123", 123), ("6GiB", 6 << 30), ("1.5MB", 1_500_000), ("512 KiB", 512 << 10)],
)
def test_memory_is_written_in_the_usual_units(monkeypatch, text, size):
    monkeypatch.setenv("MME_MEMORY_LIMIT", text)
    assert read_settings().memory_limit == size


def test_a_low_watermark_above_the_high_one_is_refused(monkeypatch):
    monkeypatch.setenv("MME_MEMORY_LOW", "0.9")
    with pytest.raises(SettingsError, match="memory_low"):
        read_settings()


def test_every_setting_has_a_meaning():
    assert meanings().keys() == Settings.model_fields.keys()
    assert all(len(meaning) > 10 for meaning in meanings().values())
