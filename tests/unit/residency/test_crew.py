"""The workers of one model: who gets a request, who comes, who goes."""

from __future__ import annotations

import asyncio

import pytest

from mme.mms import MmsAnswer
from mme.residency.crew import Crew, Member
from mme.residency.scaling import BUSY, IDLE, wanted_workers
from mme.residency.worker import Worker, WorkerGone


class Server:
    """A model server that answers with the worker's name, once it is told to."""

    def __init__(self):
        self.waiting: dict[str, asyncio.Event] = {}

    async def invoke(self, name, headers, body):
        gate = self.waiting.get(name)
        if gate is not None:
            await gate.wait()
        return MmsAnswer(200, headers, name.encode())


def worker() -> Worker:
    return Worker("t", None, on_death=lambda: None)


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def crew():
    return Crew("m", worker())


async def ask(crew, server) -> str:
    return (await crew.request(server, {}, b"", 5)).body.decode()


async def test_the_least_busy_worker_gets_the_request(crew, server):
    crew.join(Member("m-2", worker()))
    server.waiting["m"] = asyncio.Event()
    first = asyncio.create_task(ask(crew, server))
    await asyncio.sleep(0)
    assert await ask(crew, server) == "m-2"
    assert await ask(crew, server) == "m-2"
    server.waiting["m"].set()
    assert await first == "m"


async def test_one_who_leaves_answers_what_it_was_given_and_no_more(crew, server):
    crew.join(Member("m-2", worker()))
    server.waiting["m"] = server.waiting["m-2"] = asyncio.Event()
    asked = [asyncio.create_task(ask(crew, server)) for _ in range(2)]
    await asyncio.sleep(0)
    leaving = crew.leave()
    assert (leaving.name, len(crew), leaving.idle.is_set()) == ("m-2", 1, False)
    server.waiting["m"].set()
    assert sorted(await asyncio.gather(*asked)) == ["m", "m-2"]
    assert leaving.idle.is_set()
    assert await ask(crew, server) == "m"


async def test_the_first_never_leaves_by_itself(crew):
    assert crew.leave() is None
    assert len(crew) == 1


async def test_a_dead_one_is_passed_over_and_none_left_is_told(crew, server):
    second = Member("m-2", worker())
    crew.join(second)
    crew._first.worker.give_up()
    assert await ask(crew, server) == "m-2"
    second.worker.give_up()
    with pytest.raises(WorkerGone):
        await ask(crew, server)


async def test_all_names_are_known_for_when_the_model_goes(crew):
    second = Member("m-2", worker())
    crew.join(second)
    assert crew.names == ["m", "m-2"]
    crew.drop(second)
    assert crew.names == ["m"]


@pytest.mark.parametrize(
    ("load", "workers", "most", "wanted"),
    [
        (0.0, 1, 4, 1),
        (BUSY + 0.1, 1, 4, 2),
        (BUSY + 0.1, 1, 1, 1),
        (BUSY - 0.1, 1, 4, 1),
        (100.0, 3, 4, 4),
        (100.0, 4, 4, 4),
        (IDLE - 0.1, 2, 4, 1),
        (IDLE + 0.1, 2, 4, 2),
        (0.0, 4, 4, 3),
    ],
)
def test_workers_come_and_go_one_at_a_time(load, workers, most, wanted):
    assert wanted_workers(load, workers, most) == wanted


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
def test_a_worker_that_came_does_not_go_at_the_same_load(workers):
    load = BUSY * workers + 0.01
    assert wanted_workers(load, workers, 99) == workers + 1
    assert wanted_workers(load, workers + 1, 99) >= workers + 1
