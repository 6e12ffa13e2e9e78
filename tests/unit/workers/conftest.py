from __future__ import annotations

import pytest

from mme.workers.dispatch import Dispatch
from tests.support.dispatched import Clock


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def dispatch(clock):
    return Dispatch(clock=clock, heavy_workers=1)
