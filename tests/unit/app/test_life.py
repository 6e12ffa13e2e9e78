"""What the modes have in common, where it decides something."""

from __future__ import annotations

import pytest

from mme.app.life import BODIES_SHARE, bodies_of
from mme.core.settings import Settings
from mme.memory import MemoryBook, Watermarks
from mme.memory.readings import Reading

LIMIT_BYTES = 8_000_000


@pytest.fixture
def book() -> MemoryBook:
    reading = Reading(LIMIT_BYTES, 0)
    return MemoryBook(Watermarks(0.9, 0.8, 1.0), lambda: reading, lambda: reading)


def test_bodies_may_take_a_part_of_the_memory(book):
    settings = Settings(max_body_bytes=100)
    assert bodies_of(settings, book).limit_bytes == LIMIT_BYTES // BODIES_SHARE


def test_what_the_operator_says_of_bodies_counts(book):
    assert bodies_of(Settings(max_bodies_bytes=10**9), book).limit_bytes == 10**9


def test_one_body_always_fits(book):
    settings = Settings(max_body_bytes=100, max_bodies_bytes=1)
    bodies_of(settings, book).take(100)
