"""What the gateway may rely on of a model server: the suite the real one and the fake both pass.

Subclasses give the fixtures `client`, and `stopped`, a client of one that has ended. A worker for a
folder answers `ok LENGTH`; it is told otherwise by a file `start` in the folder (`Start`) or by the
body of a question.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from mme.core.door import Question
from mme.mms.client import (
    NameTaken,
    ServerGone,
    StartFailed,
    Unseen,
    WorkerDied,
)  # fmt: skip
from tests.support.fake_mms import Start

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT_S = 60
SERIAL = itertools.count(1)
DIE = b"die"


def question(body: bytes = b"12345") -> Question:
    return Question("m", "/artifact", "/scratch", {"content-type": "text/plain"}, body)


class MmsContract:
    @pytest.fixture
    def name(self):
        return f"w{next(SERIAL)}"

    @pytest.fixture
    def folder(self, tmp_path):
        return folder_for(tmp_path, None)

    async def test_it_answers_pings(self, client):
        assert await client.ping(TIMEOUT_S)

    async def test_a_worker_that_was_started_is_known_until_it_is_ended(self, client, name, folder):
        assert name not in await client.workers(timeout_s=TIMEOUT_S)
        await client.start_worker(name, str(folder), timeout_s=TIMEOUT_S)
        assert name in await client.workers(timeout_s=TIMEOUT_S)
        await client.end_worker(name, timeout_s=TIMEOUT_S)
        assert name not in await client.workers(timeout_s=TIMEOUT_S)

    async def test_ending_a_worker_that_is_not_there_is_no_error(self, client, name):
        await client.end_worker(name, timeout_s=TIMEOUT_S)

    async def test_a_name_is_given_once(self, client, name, folder):
        await client.start_worker(name, str(folder), timeout_s=TIMEOUT_S)
        with pytest.raises(NameTaken):
            await client.start_worker(name, str(folder), timeout_s=TIMEOUT_S)
        await client.end_worker(name, timeout_s=TIMEOUT_S)

    async def test_a_worker_answers_with_status_headers_and_body(self, client, name, folder):
        await client.start_worker(name, str(folder), timeout_s=TIMEOUT_S)
        answer = await client.ask(name, question())
        assert (answer.status, answer.body) == (200, b"ok m 5")
        assert answer.headers["content-type"] == "text/plain"
        assert not answer.is_unloadable
        await client.end_worker(name, timeout_s=TIMEOUT_S)

    async def test_a_folder_that_is_not_there_starts_nothing(self, client, name, tmp_path):
        with pytest.raises(StartFailed) as raised:
            await client.start_worker(name, str(tmp_path / "none"), timeout_s=TIMEOUT_S)
        assert not raised.value.is_for_room

    @pytest.mark.parametrize(
        ("start", "is_for_room"), [(Start.FAILS, False), (Start.NO_ROOM, True)]
    )
    async def test_a_load_that_fails_is_told_from_one_without_room(
        self, client, name, tmp_path, start, is_for_room
    ):
        folder = folder_for(tmp_path, start)
        with pytest.raises(StartFailed) as raised:
            await client.start_worker(name, str(folder), timeout_s=TIMEOUT_S)
        assert raised.value.is_for_room == is_for_room
        await client.end_worker(name, timeout_s=TIMEOUT_S)

    async def test_there_is_no_waiting_beyond_the_deadline(self, client, name, tmp_path):
        folder = folder_for(tmp_path, Start.HANGS)
        with pytest.raises(ServerGone):
            await client.start_worker(name, str(folder), timeout_s=0.2)

    async def test_a_worker_nobody_knows_sees_no_request(self, client, name):
        with pytest.raises(Unseen):
            await client.ask(name, question())

    async def test_a_death_while_computing_is_told(self, client, name, folder):
        await client.start_worker(name, str(folder), timeout_s=TIMEOUT_S)
        with pytest.raises(WorkerDied):
            await client.ask(name, question(DIE))
        await client.end_worker(name, timeout_s=TIMEOUT_S)

    async def test_one_that_is_gone_is_told_from_one_that_answers(self, stopped, name, folder):
        assert not await stopped.ping(TIMEOUT_S)
        with pytest.raises(Unseen):
            await stopped.ask(name, question())
        with pytest.raises(ServerGone):
            await stopped.start_worker(name, str(folder), timeout_s=TIMEOUT_S)
        with pytest.raises(ServerGone):
            await stopped.end_worker(name, timeout_s=TIMEOUT_S)

    async def test_a_client_that_was_closed_finds_nobody(self, client):
        await client.close()
        assert not await client.ping(TIMEOUT_S)
        with pytest.raises(ServerGone):
            await client.workers(timeout_s=TIMEOUT_S)


def folder_for(root: Path, start: Start | None) -> Path:
    """A folder a worker can be started for."""
    folder = root / "folder"
    folder.mkdir()
    if start is not None:
        (folder / "start").write_text(start)
    return folder
