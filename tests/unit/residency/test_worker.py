"""A worker seen from the endpoint: real processes die, a real server answers or does not."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from aiohttp import web

from mme.core.errors import ModelFailed
from mme.mms import MmsClient
from mme.residency.worker import Worker, WorkerGone


@pytest.fixture
async def server(tmp_path):
    """A model server that answers `echo` and keeps `hang` waiting."""
    released = asyncio.Event()

    async def invoke(request):
        if request.match_info["name"] == "hang":
            await released.wait()
        return web.Response(body=await request.read())

    app = web.Application()
    app.add_routes([web.post("/models/{name}/invoke", invoke)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, tmp_path / "api.sock").start()
    async with MmsClient(tmp_path / "api.sock") as client:
        yield client
    released.set()
    await runner.cleanup()


@pytest.fixture
def process():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        yield child
        child.kill()


async def test_an_answer_is_passed_on(server, process):
    worker = Worker("t", process.pid, on_death=lambda: None)
    answer = await worker.request(server, "echo", {}, b"body", 5)
    assert answer.body == b"body"
    worker.close("done")


async def test_a_death_is_seen_at_once_and_who_waits_may_ask_again(server, process):
    died = asyncio.Event()
    worker = Worker("t", process.pid, on_death=died.set)
    asking = asyncio.create_task(worker.request(server, "hang", {}, b"", 60))
    await asyncio.sleep(0)
    process.kill()
    await asyncio.wait_for(died.wait(), 5)
    with pytest.raises(WorkerGone):
        await asyncio.wait_for(asking, 5)
    with pytest.raises(WorkerGone):
        await worker.request(server, "echo", {}, b"", 5)


async def test_a_slow_answer_is_a_failure_of_the_model(server, process):
    worker = Worker("t", process.pid, on_death=lambda: None)
    with pytest.raises(ModelFailed, match=r"within 0\.01 s"):
        await worker.request(server, "hang", {}, b"", 0.01)
    worker.close("done")


async def test_when_it_is_closed_who_waits_is_told_why(server, process):
    worker = Worker("t", process.pid, on_death=lambda: None)
    asking = asyncio.create_task(worker.request(server, "hang", {}, b"", 60))
    await asyncio.sleep(0)
    worker.close("the model server ended")
    with pytest.raises(ModelFailed, match="the model server ended"):
        await asking


async def test_a_process_that_is_gone_already_is_no_obstacle(server, process):
    process.kill()
    process.wait()
    worker = Worker("t", process.pid, on_death=lambda: None)
    assert (await worker.request(server, "echo", {}, b"x", 5)).body == b"x"
    worker.close("done")
