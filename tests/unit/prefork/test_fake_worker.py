"""The fake worker keeps the contract, and misbehaves as it is told."""

from __future__ import annotations

import asyncio

import pytest

from mme.core.door import encode
from tests.support.fake_worker import FakeWorker, Manner
from tests.unit.prefork.worker_contract import WorkerContract, question


@pytest.fixture
async def worker(tmp_path):
    async with FakeWorker(tmp_path / "w1", generation=7, most=3) as fake:
        fake.manners = {
            "bad": Manner.FAIL_TO_LOAD,
            "parts": Manner.ANSWER_IN_PARTS,
            "broken": Manner.BREAK_OFF,
        }
        yield fake


class TestFakeWorker(WorkerContract):
    """The whole contract."""


async def asked(worker, manner):
    worker.manner = manner
    reader, writer = await asyncio.open_unix_connection(worker.path)
    writer.write(encode(question("m")))
    return reader, writer


async def test_it_dies_before_it_reads(worker):
    reader, writer = await asked(worker, Manner.DIE_BEFORE_READING)
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await reader.readexactly(1000)
    await worker.ended()
    assert worker.asked == []
    writer.close()


@pytest.mark.parametrize("manner", [Manner.DIE_AFTER_READING, Manner.DIE_WITHIN_ANSWER])
async def test_it_dies_after_it_has_read(worker, manner):
    reader, writer = await asked(worker, manner)
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await reader.readexactly(1000)
    await worker.ended()
    assert [each.model for each in worker.asked] == ["m"]
    writer.close()


async def test_it_hangs_until_it_is_let_go(worker):
    reader, writer = await asked(worker, Manner.HANG)
    await worker.reading.wait()
    worker.let_go.set()
    assert b"ok m 0" in await reader.readuntil(b"ok m 0")
    writer.close()


async def test_it_dies_while_it_hangs(worker):
    reader, writer = await asked(worker, Manner.HANG)
    await worker.reading.wait()
    await worker.die()
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await reader.readexactly(1000)
    writer.close()
