"""The client of the model server and the fake of that: statuses are facts, pages are one list."""

from __future__ import annotations

import pytest

from mme.core.door import Question
from tests.support.fake_mms import FakeMms
from tests.support.fake_worker import Manner
from tests.support.mms_contract import DIE, MmsContract, folder_for, question


@pytest.fixture
async def mms(tmp_path):
    doors = tmp_path / "doors"
    doors.mkdir()
    async with FakeMms(tmp_path / "mms", doors) as fake:
        fake.by_body = {DIE: Manner.DIE_AFTER_READING}
        yield fake


@pytest.fixture
def client(mms):
    return mms.client


@pytest.fixture
async def stopped(mms):
    await mms.end()
    return mms.client


class TestFakeMms(MmsContract):
    """The whole contract."""


async def test_names_come_in_pages_and_are_one_list(mms, client):
    names = [f"w{n:03}" for n in range(201)]
    mms.register(names)
    assert await client.workers(timeout_s=60) == names


async def test_a_worker_is_asked_what_the_gateway_asks(mms, client, tmp_path):
    await client.start_worker("w1", str(folder_for(tmp_path, None)), timeout_s=60)
    await client.ask("w1", question())
    (asked,) = mms.workers[0].asked
    plain = {name: value for name, value in asked.headers.items() if name == "content-type"}
    assert Question(asked.model, asked.model_dir, asked.scratch_dir, plain, asked.body) == (
        question()
    )


async def test_what_is_said_of_the_load_comes_back(mms, client, tmp_path):
    mms.manners = {"m": Manner.FAIL_TO_LOAD}
    await client.start_worker("w1", str(folder_for(tmp_path, None)), timeout_s=60)
    answer = await client.ask("w1", question())
    assert answer.is_unloadable
    assert (answer.status, b"ArtifactError" in answer.body) == (500, True)
