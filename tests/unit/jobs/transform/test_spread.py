import asyncio

import pytest

from mme.core.errors import EndpointError
from mme.jobs.transform.inputs import inputs_below
from mme.jobs.transform.running import MOST_FAILURES, Failure, Summary, TransformRun
from mme.jobs.transform.spec import Transform
from mme.jobs.transform.spread import Came, NotedInMemory, SpreadRun
from mme.jobs.transform.targets import OneTarget
from tests.support.transforming import FakeModel, MemoryLedger, MemoryPlaces, refusal

IN, OUT = "s3://b/in/", "s3://b/out"


class Nodes:
    """Does each input as another machine would: by a run of its own, on the same objects."""

    def __init__(self, places, answer, most=2):
        self.places, self.answer, self._most = places, answer, most
        self.running = self.most_running = 0
        self.asked = []

    def most(self):
        return self._most

    async def __call__(self, source):
        self.asked.append(source.key)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            ledger = NotedInMemory()
            run = TransformRun(
                Transform(retries=0),
                OneTarget("m"),
                (self.places, self.places),
                FakeModel(self.answer),
                ledger,
            )
            return Came(await run.all(iter([source])), ledger.done)
        finally:
            self.running -= 1


class Bench:
    def __init__(self, count):
        self.places = MemoryPlaces({f"{IN}{n}.txt": b"text" for n in range(count)})
        self.ledger = MemoryLedger()
        self.finished = []

    def run(self, elsewhere):
        return SpreadRun(
            elsewhere,
            self.places,
            self.ledger,
            on_finished=lambda source: self.finished.append(source.key),
        )

    async def all(self, elsewhere):
        return await self.run(elsewhere).all(inputs_below(self.places, IN, OUT))


async def test_all_are_done_elsewhere_and_noted_here_and_not_done_again():
    bench = Bench(7)
    summary = await bench.all(Nodes(bench.places, bytes.upper))
    assert (summary.done, summary.records, summary.payloads, summary.failed) == (7, 7, 7, 0)
    assert {bench.places.objects[f"{OUT}/{n}.txt.out"] for n in range(7)} == {b"TEXT"}
    nodes = Nodes(bench.places, bytes.upper)
    again = await bench.all(nodes)
    assert (again.done, again.already_done, nodes.asked) == (0, 7, [])
    assert sorted(bench.finished) == sorted([f"{n}.txt" for n in range(7)] * 2)


async def test_no_more_are_handed_over_at_a_time_than_are_taken():
    bench = Bench(9)
    nodes = Nodes(bench.places, bytes.upper, most=3)
    await bench.all(nodes)
    assert nodes.most_running == 3


async def test_one_that_fails_is_told_and_not_noted_and_the_others_are_done():
    bench = Bench(3)
    bench.places.objects[f"{IN}1.txt"] = b"bad"
    nodes = Nodes(bench.places, lambda body: refusal(400) if body == b"bad" else body)
    summary = await bench.all(nodes)
    assert (summary.done, summary.failed) == (2, 1)
    assert [failure.uri for failure in summary.failures] == [f"{IN}1.txt"]
    assert sorted(bench.ledger.known) == ["0.txt", "2.txt"]


async def test_what_no_node_can_do_ends_the_run_with_its_reason():
    class Broken(Nodes):
        async def __call__(self, source):
            if source.key == "2.txt":
                raise EndpointError("no node can")
            return await super().__call__(source)

    bench = Bench(50)
    nodes = Broken(bench.places, bytes.upper)
    with pytest.raises(EndpointError, match="no node can"):
        await bench.all(nodes)
    assert len(nodes.asked) < 50


async def test_a_run_that_is_cancelled_has_noted_what_is_done_and_goes_on_later():
    reached = asyncio.Event()

    class Stuck(Nodes):
        async def __call__(self, source):
            if source.key == "3.txt":
                reached.set()
                await asyncio.Event().wait()
            return await super().__call__(source)

    bench = Bench(6)
    run = bench.run(Stuck(bench.places, bytes.upper, most=1))
    task = asyncio.create_task(run.all(inputs_below(bench.places, IN, OUT)))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (run.summary.done, sorted(bench.ledger.known)) == (3, ["0.txt", "1.txt", "2.txt"])
    summary = await bench.all(Nodes(bench.places, bytes.upper))
    assert (summary.already_done, summary.done) == (3, 3)


def test_summaries_add_up_and_tell_of_no_more_failures_than_one_does():
    def part(count):
        failures = [Failure(f"u{n}", "why") for n in range(count)]
        return Summary(1, 2, count, 4, 5, 6, failures)

    whole = part(MOST_FAILURES - 1)
    whole.add(part(3))
    assert (whole.done, whole.already_done, whole.failed) == (2, 4, MOST_FAILURES + 2)
    assert (whole.records, whole.payloads, whole.retries) == (8, 10, 12)
    assert [each.uri for each in whole.failures[-2:]] == [f"u{MOST_FAILURES - 2}", "u0"]
