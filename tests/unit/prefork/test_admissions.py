"""The template's side of admissions where forks cannot be, without a template."""

from __future__ import annotations

import errno
import os
import select
import socket

import pytest

from mme.prefork.admissions import MOST, Admissions


@pytest.fixture
def poll():
    return select.poll()


@pytest.fixture
def admissions(tmp_path, poll):
    made = Admissions(str(tmp_path / "s"), poll)
    yield made
    made.close()


def connected(tmp_path):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(10)
    client.connect(str(tmp_path / "s"))
    return client


def handle_all(admissions, poll, fork) -> int:
    """Handle what is there to be handled; how many events that were."""
    count = 0
    while events := poll.poll(0):
        count += len(events)
        for descriptor, _ in events:
            assert admissions.owns(descriptor)
            admissions.handle(descriptor, fork, ())
    return count


def no_fork() -> int:
    raise OSError(errno.EAGAIN, "no process left")


def test_without_a_process_the_client_is_told_so(admissions, poll, tmp_path):
    with connected(tmp_path) as client:
        handle_all(admissions, poll, no_fork)
        assert client.makefile("rb").read() == (
            b'\n{"exit": null, "reason": "[Errno 11] no process left"}\n'
        )
    assert len(list(admissions.descriptors())) == 1


def test_how_a_fork_ended_is_the_last_word(admissions, poll, tmp_path):
    with connected(tmp_path) as client, client.makefile("rb") as words:
        handle_all(admissions, poll, lambda: 10**9)
        assert not admissions.reaped(5, 0)
        assert admissions.reaped(10**9, -9)
        handle_all(admissions, poll, no_fork)
        assert words.read() == b'\n{"exit": -9}\n'


def test_a_client_that_is_gone_by_then_is_no_matter(admissions, poll, tmp_path):
    connected(tmp_path).close()
    handle_all(admissions, poll, lambda: 10**9)
    assert admissions.reaped(10**9, 0)
    handle_all(admissions, poll, no_fork)
    assert len(list(admissions.descriptors())) == 1


def test_above_the_most_others_wait_and_come_in_when_one_is_done(admissions, poll, tmp_path):
    pids = iter(range(10**9, 10**9 + 2 * MOST))
    clients = [connected(tmp_path) for _ in range(MOST + 3)]
    handle_all(admissions, poll, lambda: next(pids))
    assert len(list(admissions.descriptors())) == MOST + 1
    assert admissions.reaped(10**9, 0)
    handle_all(admissions, poll, lambda: next(pids))
    assert next(pids) == 10**9 + MOST + 1
    for client in clients:
        client.close()


def test_a_new_one_takes_the_place_of_the_last(admissions, poll, tmp_path):
    second_poll = select.poll()
    second = Admissions(str(tmp_path / "s"), second_poll)
    with connected(tmp_path):
        assert poll.poll(0) == []
        assert second_poll.poll(1000) != []
    second.close()
    assert sorted(os.listdir(tmp_path)) == ["s"]  # noqa: PTH208
