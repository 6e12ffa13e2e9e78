"""Sources of metrics without an endpoint: counts are real, the state is what a test says."""

from __future__ import annotations

import pytest

from tests.support.measured import FakeState


@pytest.fixture
def state() -> FakeState:
    return FakeState()
