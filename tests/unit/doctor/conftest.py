from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def _nothing_of_ours_is_set(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith(("AWS_", "MME_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("MME_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("MME_STATE_DIR", str(tmp_path / "state"))
