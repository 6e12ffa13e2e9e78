"""Spans of invocations, as the SDK's exporter in memory gets them."""

from __future__ import annotations

import asyncio
import time

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode

from mme.core.errors import Busy
from mme.core.timing import StepTime, Timing
from mme.metrics.tracing import Tracing
from mme.metrics.tracing import _incoming as incoming
from mme.residency.observed import Invocation, Observed
from tests.support.measured import answered

TRACE, PARENT = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter):
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider
    provider.shutdown()


@pytest.fixture
def tracing(provider) -> Tracing:
    incoming.set(None)  # tests that are no coroutines share a context
    return Tracing(provider, "1.2.3")


@pytest.fixture
def observed(tracing) -> Observed:
    observed = Observed()
    observed.followers.append(tracing.follow)
    return observed


def spans_of(exporter):
    return {span.name: span for span in exporter.get_finished_spans()}


def test_an_invocation_has_a_child_for_each_stage_one_after_the_other(observed, exporter):
    timing = {"fetch_s": 0.5, "queue_s": 0.1, "load_s": 0.2, "model_s": 0.15}
    before_ns = time.time_ns()
    answered(observed, "de/m.tar.gz", "first", 200, 1.0, **timing)
    spans = spans_of(exporter)
    assert list(spans) == ["fetch", "queue", "load", "model", "invoke"]
    whole = spans["invoke"]
    assert whole.kind is SpanKind.SERVER
    assert whole.parent is None
    assert whole.end_time - whole.start_time == 1_000_000_000
    assert before_ns <= whole.end_time <= time.time_ns()
    assert whole.attributes == {
        "mme.target_model": "de/m.tar.gz",
        "mme.outcome": "first",
        "http.response.status_code": 200,
    }
    began_ns = whole.start_time
    for stage in ("fetch", "queue", "load", "model"):
        span = spans[stage]
        assert span.parent.span_id == whole.context.span_id
        assert span.start_time == began_ns
        assert span.end_time - began_ns == pytest.approx(timing[f"{stage}_s"] * 1e9, abs=10)
        began_ns = span.end_time


def test_a_stage_that_took_no_time_has_no_span(observed, exporter):
    answered(observed, "m", model_s=0.01)
    assert list(spans_of(exporter)) == ["model", "invoke"]


def test_a_trace_is_continued_that_the_request_tells_of(observed, exporter, tracing):
    tracing.began({"traceparent": TRACEPARENT}, "id-1")
    answered(observed, "m", model_s=0.01)
    spans = spans_of(exporter)
    assert spans["invoke"].parent.span_id == PARENT
    assert {span.context.trace_id for span in spans.values()} == {TRACE}
    assert spans["invoke"].attributes["mme.request_id"] == "id-1"


async def test_requests_side_by_side_keep_their_traces_apart(observed, exporter, tracing):
    async def one(number: int) -> None:
        tracing.began({"traceparent": TRACEPARENT.replace("0af7", f"{number:04x}")}, f"id-{number}")
        await asyncio.sleep(0)
        answered(observed, f"m{number}")

    async with asyncio.TaskGroup() as group:
        for number in range(1, 6):
            group.create_task(one(number))
    for span in exporter.get_finished_spans():
        number = span.context.trace_id >> 112
        assert span.attributes["mme.target_model"] == f"m{number}"
        assert span.attributes["mme.request_id"] == f"id-{number}"


@pytest.mark.hostile("HTTP")
@pytest.mark.parametrize("header", ["", "00-zz-yy-01", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_what_is_no_trace_begins_a_new_one(observed, exporter, tracing, header):
    tracing.began({"traceparent": header * 100}, "id")
    answered(observed, "m")
    assert spans_of(exporter)["invoke"].parent is None


@pytest.mark.hostile("HTTP")
def test_other_headers_of_tracing_reach_no_log(observed, exporter, tracing, caplog):
    tracing.began({"traceparent": "x", "tracestate": "=", "baggage": "a;b" * 5000}, "id")
    answered(observed, "m")
    assert spans_of(exporter)
    assert not caplog.text


def test_a_caller_that_wants_no_trace_gets_none(observed, exporter, tracing):
    tracing.began({"traceparent": TRACEPARENT[:-1] + "0"}, "id")
    answered(observed, "m", model_s=0.1)
    assert not exporter.get_finished_spans()


def test_errors_are_told(observed, exporter):
    observed.failed("m", Busy("m", 3), 0.1, Timing(queue_s=0.1), was_here=True)
    answered(observed, "n", status=503)
    answered(observed, "o", status=400)
    busy, bad, fine = (each for each in exporter.get_finished_spans() if each.name == "invoke")
    assert busy.status.status_code is StatusCode.ERROR
    assert busy.attributes["error.type"] == "Busy"
    assert bad.status.status_code is StatusCode.ERROR
    assert bad.attributes["http.response.status_code"] == 503
    assert fine.status.status_code is StatusCode.UNSET


def test_what_is_not_sampled_is_not_made():
    observed, exporter = Observed(), InMemorySpanExporter()
    provider = TracerProvider(sampler=ALWAYS_OFF)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    observed.followers.append(Tracing(provider, "1").follow)
    answered(observed, "m", model_s=0.1)
    assert not exporter.get_finished_spans()
    assert observed.statistics.requests == 1


def test_an_ensembles_steps_are_below_its_computing(tracing, exporter):
    steps = (StepTime("search", 0.25), StepTime("rank", 0.5))
    timing = Timing(queue_s=0.1, model_s=0.8)
    tracing.follow(Invocation("m", "warm", 200, "", 1.0, timing, steps))
    search, rank, computing = [
        span for span in exporter.get_finished_spans() if span.name in ("step", "model")
    ]
    assert [each.attributes["mme.step"] for each in (search, rank)] == ["search", "rank"]
    assert {each.parent.span_id for each in (search, rank)} == {computing.context.span_id}
    assert search.start_time == computing.start_time
    assert rank.start_time == search.end_time == search.start_time + 250_000_000
