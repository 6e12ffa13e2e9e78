"""Settings are tested without those of whoever runs the tests."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def _no_settings_of_ours(monkeypatch):
    for name in [name for name in os.environ if name.startswith("MME_")]:
        monkeypatch.delenv(name)
