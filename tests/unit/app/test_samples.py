"""Whether the store of an endpoint is one that was named, or the samples."""

from __future__ import annotations

import logging

import pytest

from mme.app.samples import store_of
from mme.core.settings import PROJECT_ROOT, Settings, SettingsError, read_settings
from mme.store import SampleStore


def test_without_a_named_store_the_samples_serve_and_the_log_says_so(monkeypatch, caplog, tmp_path):
    monkeypatch.delenv("MME_STORE", raising=False)
    monkeypatch.setenv("MME_MODELS_DIR", str(tmp_path / "none"))
    with caplog.at_level(logging.WARNING, "mme.app.samples"):
        store, is_sample = store_of(read_settings())
    assert isinstance(store, SampleStore)
    assert "MME_STORE is not set" in caplog.text
    assert not is_sample("DocSim.tar.gz")
    store.find("DocSim.tar.gz")
    assert is_sample("DocSim.tar.gz")


def test_a_store_that_was_named_holds_no_samples_wherever_it_is(monkeypatch, caplog):
    monkeypatch.setenv("MME_STORE", str(PROJECT_ROOT / "artifacts"))
    store, is_sample = store_of(read_settings())
    assert store.find("DocSim.tar.gz").target == "DocSim.tar.gz"
    assert not is_sample("DocSim.tar.gz")
    assert caplog.text == ""


def test_a_store_that_cannot_be_is_told_with_the_variable():
    with pytest.raises(SettingsError, match=r"MME_STORE: .*not a folder"):
        store_of(Settings(store="/nonexistent"))
