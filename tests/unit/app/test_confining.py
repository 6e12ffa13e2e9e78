"""How far workers are confined, by settings and by who may read what."""

from __future__ import annotations

import os

import pytest

from mme.app import confining
from mme.app.confining import confinement_of
from mme.core.settings import Settings
from mme.prefork.confinement import WORKER_USER, Confinement

MIB = 1 << 20


@pytest.fixture
def open_to_others(monkeypatch):
    """Whether others may go through the folders: for this user's own ones it depends on where."""

    def be(*, is_open: bool) -> None:
        monkeypatch.setattr(confining, "closed_to_others", lambda path: None if is_open else path)

    be(is_open=True)
    return be


@pytest.fixture
def root(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)


def confinement(*folders, are_files_ours=True, **settings) -> Confinement | None:
    return Confinement.of(
        confinement_of(Settings(**settings), folders, are_files_ours=are_files_ours)
    )


def test_roots_workers_become_another_user_where_it_can_read_all(tmp_path, root, open_to_others):
    found = confinement(tmp_path)
    assert found is not None
    assert found.user == WORKER_USER
    assert found.readable == (str(tmp_path),)


def test_workers_stay_who_they_are_where_another_could_not_read_all(tmp_path, root, open_to_others):
    open_to_others(is_open=False)
    found = confinement(tmp_path)
    assert found is not None
    assert found.user is None


def test_workers_stay_who_they_are_where_others_wrote_the_models(tmp_path, root, open_to_others):
    found = confinement(tmp_path, are_files_ours=False)
    assert found is not None
    assert found.user is None


def test_workers_of_an_ordinary_user_stay_that(tmp_path, monkeypatch, open_to_others):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    found = confinement(tmp_path)
    assert found is not None
    assert found.user is None


def test_a_folder_that_is_not_there_is_made_and_nothing_around_it_may_be_read(tmp_path):
    found = confinement(tmp_path / "to" / "come")
    assert found is not None
    assert found.readable == (str(tmp_path / "to" / "come"),)
    assert (tmp_path / "to" / "come").is_dir()


def test_others_handlers_are_left_as_they_are(tmp_path):
    assert confinement(tmp_path, handler=tmp_path / "handler.py") is None


def test_confinement_can_be_switched_off(tmp_path):
    assert confinement(tmp_path, confine_workers=False) is None


@pytest.mark.parametrize(
    ("settings", "bytes_"),
    [
        ({"request_memory": 7 * MIB}, 7 * MIB),
        ({"memory_limit": 512 * MIB}, 256 * MIB),
        ({"memory_limit": 1024 * 1024 * MIB, "request_memory": None}, None),
    ],
)
def test_a_request_may_take_what_is_set_or_a_share_of_all(tmp_path, settings, bytes_):
    found = confinement(tmp_path, **settings)
    assert found is not None
    assert found.pool_bytes == bytes_ or (bytes_ is None and found.pool_bytes <= 1 << 30)
    assert found.own_bytes == found.pool_bytes + Settings().admission_memory
