"""The stock model server keeps the contract that its fake keeps: the same suite, in Java."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from pathlib import Path

import pytest
import pytest_asyncio

from mme.core.settings import Settings
from mme.mms import MmsServer, find_java
from mme.mms.client import MmsClient
from mme.mms.config import worker_launcher
from tests.support import plain_handler
from tests.support.mms_contract import MmsContract

HANDLER = Path(plain_handler.__file__)


pytestmark = pytest.mark.asyncio(loop_scope="module")


@contextlib.asynccontextmanager
async def model_server():
    # Not below pytest's folder: sockets need a short path.
    with tempfile.TemporaryDirectory(prefix="mms-", ignore_cleanup_errors=True) as name:
        run_dir = Path(name)
        program = run_dir / "python"
        program.write_text(worker_launcher(sys.executable, HANDLER), encoding="utf-8")
        program.chmod(0o700)
        running = await MmsServer.start(
            Settings(),
            find_java(None),
            handler=HANDLER,
            worker_program=program,
            run_dir=run_dir,
            environment=os.environ,
            for_workers={},
        )
        try:
            yield running
        finally:
            await running.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server():
    async with model_server() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def client(server):
    async with MmsClient(server.config.socket) as asking:
        yield asking


@pytest_asyncio.fixture(loop_scope="module")
async def stopped():
    async with model_server() as running, MmsClient(running.config.socket) as asking:
        assert await asking.ping(timeout_s=5)
        await running.stop()
        yield asking


class TestMms(MmsContract):
    """The whole contract."""
