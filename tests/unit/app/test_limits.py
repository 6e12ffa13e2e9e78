"""Limits too low to start under are said, each with what is needed."""

from __future__ import annotations

import resource

import pytest

from mme.app import limits
from mme.app.life import EndpointFailed
from mme.memory.readings import Reading, TaskReader


@pytest.fixture
def files(monkeypatch):
    """The limit on open files as the test says it, and what was made of it."""
    made: list[tuple[int, int]] = []

    def of(soft: int, hard: int) -> list[tuple[int, int]]:
        monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
        monkeypatch.setattr(resource, "setrlimit", lambda _, both: made.append(both))
        return made

    return of


@pytest.fixture
def tasks(monkeypatch):
    def of(limit: int, used: int) -> None:
        monkeypatch.setattr(TaskReader, "read", lambda _: Reading(limit, used))

    of(1 << 20, 100)
    return of


@pytest.mark.parametrize(
    ("soft", "hard", "becomes"),
    [
        (1024, 4096, 4096),
        (1024, 1 << 20, 65536),
        (1024, resource.RLIM_INFINITY, 65536),
        (1 << 20, 1 << 20, 1 << 20),
        (128, 128, 128),
    ],
)
def test_the_limit_on_open_files_is_raised_as_far_as_it_is_of_use(
    files, tasks, soft, hard, becomes
):
    made = files(soft, hard)
    limits.check_limits()
    assert made == [(becomes, hard)]


def test_too_few_open_files_are_refused_with_what_is_needed(files, tasks):
    files(64, 64)
    with pytest.raises(EndpointFailed, match=r"64 open files .* needs 128"):
        limits.check_limits()


def test_too_few_tasks_are_refused_with_what_is_needed(files, tasks):
    files(1024, 4096)
    tasks(60, 21)
    with pytest.raises(EndpointFailed, match=r"39 more processes .* limit of 60.* needs 56"):
        limits.check_limits()
