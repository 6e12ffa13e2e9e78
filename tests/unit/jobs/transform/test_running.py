import asyncio
import errno
import gzip
from dataclasses import replace

import pytest

from mme.core.errors import Busy, ModelFailed, ModelTimedOut, StoreUnavailable
from mme.core.terms import Terms
from mme.core.timing import StepTime
from mme.jobs.transform import asking
from mme.jobs.transform.asking import Unreachable
from mme.jobs.transform.inputs import inputs_below
from mme.jobs.transform.running import TransformRun
from mme.jobs.transform.spec import Processing, Transform
from mme.jobs.transform.targets import OneTarget, TargetPattern
from tests.support.transforming import FakeModel, MemoryLedger, MemoryPlaces, refusal

IN, OUT = "s3://b/in/", "s3://b/out"


class Bench:
    """A transform's surroundings, and the transform run in them."""

    def __init__(self, **objects):
        self.places = MemoryPlaces(
            {f"{IN}{name.replace('__', '/')}.txt": content for name, content in objects.items()}
        )
        self.ledger = MemoryLedger()
        self.read = 0

    def run(self, model, transform=None, targets=None):
        return TransformRun(
            transform or Transform(),
            targets or OneTarget("m.tar.gz"),
            (self.places, self.places),
            model,
            self.ledger,
            on_read=self._on_read,
        )

    async def all(self, model, transform=None, targets=None):
        return await self.run(model, transform, targets).all(inputs_below(self.places, IN, OUT))

    def outputs(self):
        return {
            uri.removeprefix(f"{OUT}/"): content
            for uri, content in self.places.objects.items()
            if uri.startswith(OUT)
        }

    def _on_read(self, count):
        self.read += count


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(asking, "FIRST_WAIT_S", 0.0)


def upper(body):
    return body.upper()


async def test_each_input_has_an_output_by_its_name():
    bench = Bench(a=b"one", sub__b=b"two")
    summary = await bench.all(FakeModel(upper))
    assert bench.outputs() == {"a.txt.out": b"ONE", "sub/b.txt.out": b"TWO"}
    assert (summary.done, summary.failed, summary.records, bench.read) == (2, 0, 2, 6)


async def test_the_order_of_records_is_kept_however_answers_come():
    lines = b"".join(b"%d\n" % number for number in range(200))
    answered = [asyncio.Event() for _ in range(200)]

    class LastFirst(FakeModel):
        """Of each four, the first is answered last."""

        async def __call__(self, target, headers, body, terms):
            number = int(body)
            if number % 4 == 0:
                await answered[number + 3].wait()
            answered[number].set()
            return await super().__call__(target, headers, body, terms)

    bench = Bench(a=lines)
    model = LastFirst(bytes)
    transform = Transform(
        split_type="Line", strategy="SingleRecord", assemble_with="Line", max_concurrent=8
    )
    await bench.all(model, transform)
    assert bench.outputs() == {"a.txt.out": lines}
    assert model.asked[0] != ("m.tar.gz", b"0")


async def test_no_more_are_asked_at_a_time_than_wanted_for_all_inputs_together():
    bench = Bench(**{f"f{number}": b"a\nb\nc\n" for number in range(9)})
    model = FakeModel(upper, together=3)
    transform = Transform(split_type="Line", strategy="SingleRecord", max_concurrent=3)
    await bench.all(model, transform)
    assert model.most_running == 3
    assert len(bench.outputs()) == 9


async def test_one_bad_record_leaves_its_input_without_output_and_the_others_with_theirs():
    bench = Bench(a=b"fine\n", b=b"fine\nbad\nfine\n", c=b"fine\n")
    model = FakeModel(lambda body: refusal(400) if body == b"bad" else body)
    transform = Transform(split_type="Line", strategy="SingleRecord")
    summary = await bench.all(model, transform)
    assert set(bench.outputs()) == {"a.txt.out", "c.txt.out"}
    (failure,) = summary.failures
    assert failure.uri == f"{IN}b.txt"
    assert failure.reason == "record 2: m.tar.gz answers 400: no"
    assert (summary.done, summary.failed, summary.retries) == (2, 1, 0)


async def test_of_a_pipeline_the_step_that_refuses_a_record_is_named():
    bench = Bench(a=b"bad")
    refused = replace(refusal(400), steps=(StepTime("clean", 0.1), StepTime("rank", 0.1)))
    summary = await bench.all(FakeModel(lambda _: refused), Transform(retries=0))
    assert summary.failures[0].reason == "record 1: step rank answers 400: no"


@pytest.mark.parametrize(
    "fault",
    [
        Busy("m", 100),
        ModelFailed("m", 0, "died"),
        ModelTimedOut("m", 1),
        StoreUnavailable("s3://b", "down"),
        refusal(503),
        refusal(429),
    ],
    ids=lambda fault: f"{type(fault).__name__}-{getattr(fault, 'status', '')}",
)
async def test_a_fault_that_may_pass_is_tried_again(fault):
    faults = [fault, fault]

    def answer(body):
        if faults:
            one = faults.pop()
            if isinstance(one, Exception):
                raise one
            return one
        return body

    bench = Bench(a=b"x")
    summary = await bench.all(FakeModel(answer), Transform(retries=2))
    assert bench.outputs() == {"a.txt.out": b"x"}
    assert summary.retries == 2


async def test_retries_end():
    bench = Bench(a=b"x")
    model = FakeModel(lambda _: refusal(503, b"not now"))
    summary = await bench.all(model, Transform(retries=1))
    assert len(model.asked) == 2
    assert summary.failures[0].reason == "record 1: m.tar.gz answers 503: not now"


async def test_an_endpoint_that_is_away_ends_the_run():
    def gone(_body):
        raise Unreachable("cannot reach it")

    bench = Bench(a=b"x", b=b"y")
    run = bench.run(FakeModel(gone), Transform(retries=0))
    with pytest.raises(Unreachable):
        await run.all(inputs_below(bench.places, IN, OUT))
    assert run.summary.failed == 0


async def test_what_is_done_is_not_done_again():
    bench = Bench(a=b"x", b=b"y")
    await bench.all(FakeModel(upper))
    model = FakeModel(upper)
    summary = await bench.all(model)
    assert (summary.already_done, summary.done, model.asked) == (2, 0, [])


@pytest.mark.parametrize("change", ["input", "output", "no output"])
async def test_what_has_changed_since_is_done_again(change):
    bench = Bench(a=b"x", b=b"y")
    await bench.all(FakeModel(upper))
    if change == "input":
        bench.places.objects[f"{IN}a.txt"] = b"z"
    elif change == "output":
        bench.places.objects[f"{OUT}/a.txt.out"] = b"of somebody else"
    else:
        del bench.places.objects[f"{OUT}/a.txt.out"]
    summary = await bench.all(FakeModel(upper))
    assert (summary.already_done, summary.done) == (1, 1)
    assert bench.outputs()["a.txt.out"] == (b"Z" if change == "input" else b"X")


async def test_a_run_that_is_cancelled_leaves_nothing_half_written_and_goes_on_later():
    bench = Bench(a=b"1\n", b=b"1\n2\n3\n", c=b"1\n")
    reached = asyncio.Event()

    class Stuck(FakeModel):
        async def __call__(self, target, headers, body, terms):
            if body == b"2":
                reached.set()
                await asyncio.Event().wait()
            return await super().__call__(target, headers, body, terms)

    transform = Transform(split_type="Line", strategy="SingleRecord")
    task = asyncio.create_task(bench.all(Stuck(upper), transform))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert set(bench.outputs()) == {"a.txt.out"}
    summary = await bench.all(FakeModel(upper), transform)
    assert (summary.already_done, summary.done) == (1, 2)
    assert bench.outputs()["b.txt.out"] == b"123"


async def test_compressed_inputs_are_read_as_what_they_hold():
    bench = Bench(a=gzip.compress(b"one\n") + gzip.compress(b"two\n"))
    transform = Transform(compression="Gzip", split_type="Line", assemble_with="Line")
    await bench.all(FakeModel(upper), transform)
    assert bench.outputs() == {"a.txt.out": b"ONE\nTWO\n"}


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"plain", "no gzip file"), (gzip.compress(b"x" * 1000)[:-9], "cut off")],
    ids=["plain", "cut off"],
)
async def test_a_compressed_input_that_is_none_fails(content, why):
    summary = await Bench(a=content).all(FakeModel(upper), Transform(compression="Gzip"))
    assert why in summary.failures[0].reason


async def test_a_compressed_input_that_unpacks_to_too_much_is_refused_early():
    packed = gzip.compress(b"\0" * 50_000_000)
    bench = Bench(a=packed)
    summary = await bench.all(FakeModel(upper), Transform(compression="Gzip", max_payload_mb=1))
    assert "larger than the 1048576 bytes" in summary.failures[0].reason


async def test_an_empty_input_has_an_empty_output_and_asks_nobody():
    bench, model = Bench(a=b""), FakeModel(upper)
    await bench.all(model, Transform(split_type="Line"))
    assert bench.outputs() == {"a.txt.out": b""}
    assert model.asked == []


async def test_the_model_may_be_named_by_the_inputs_place():
    bench, model = Bench(en__a=b"x", de__a=b"y"), FakeModel(upper)
    await bench.all(model, targets=TargetPattern("{folder}/m.tar.gz"))
    assert model.asked == [("de/m.tar.gz", b"y"), ("en/m.tar.gz", b"x")]


async def test_the_model_gets_the_types_and_the_time_of_the_transform():
    model = FakeModel(upper)
    transform = Transform(content_type="text/csv", accept="application/json", timeout_s=7)
    await Bench(a=b"x").all(model, transform)
    assert model.headers == {"content-type": "text/csv", "accept": "application/json"}
    assert model.terms == Terms(timeout_s=7, answer_limit_bytes=asking.MOST_ANSWER_BYTES)


async def test_an_answer_that_cannot_be_joined_fails_its_input():
    transform = Transform(
        content_type="text/csv", split_type="Line", processing=Processing.read(join="Input")
    )
    bench = Bench(a=b"1\n2\n")
    summary = await bench.all(FakeModel(lambda _: b"one row"), transform)
    assert summary.failures[0].reason.startswith("the answer to records 1 to 2: ")
    assert bench.outputs() == {}


async def test_outputs_beside_their_inputs_are_no_inputs():
    bench = Bench(a=b"x")
    run = lambda: bench.run(FakeModel(upper)).all(inputs_below(bench.places, IN, IN))  # noqa: E731
    await run()
    summary = await run()
    assert (summary.already_done, summary.inputs) == (1, 1)
    assert set(bench.places.objects) == {f"{IN}a.txt", f"{IN}a.txt.out"}


async def test_an_input_whose_output_has_no_room_fails_and_says_why():
    class Full(MemoryPlaces):
        def write_file(self, uri, path, content_type):
            raise OSError(errno.ENOSPC, "No space left on device")

    bench = Bench(a=b"x")
    bench.places = Full(bench.places.objects)
    summary = await bench.all(FakeModel(upper))
    assert summary.failures[0].reason == "its output cannot be kept here: No space left on device"
