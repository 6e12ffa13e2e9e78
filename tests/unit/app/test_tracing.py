"""Whether traces are wanted is said by OpenTelemetry's variables; else it is not even imported."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from mme.app import tracing
from mme.app.tracing import NoTraces, exporter_wanted, traced
from tests.support.collector import collecting
from tests.support.measured import FakeState, answered, sources_of

ADDRESS = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, None),
        ({"OTEL_SERVICE_NAME": "mine"}, None),
        ({ADDRESS: "http://c:4318"}, "otlp"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, "otlp"),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, "otlp"),
        ({"OTEL_TRACES_EXPORTER": " console "}, "console"),
        ({ADDRESS: "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, None),
        ({ADDRESS: "http://c:4318", "OTEL_SDK_DISABLED": "True"}, None),
        ({ADDRESS: "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, "otlp"),
    ],
)
def test_traces_are_wanted_where_an_exporter_is_configured(environ, wanted):
    assert exporter_wanted(environ) == wanted


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER='zipkin': use otlp"),
        ({ADDRESS: "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "only http/protobuf"),
    ],
)
async def test_what_cannot_be_is_told_and_does_no_harm(environ, words, caplog):
    with pytest.raises(NoTraces, match=words):
        exporter_wanted(environ)
    sources = sources_of(FakeState())
    async with traced(sources, environ):
        answered(sources.observed, "m")
    assert words in caplog.text


async def test_a_missing_sdk_is_told_with_what_to_install(monkeypatch, caplog):
    def missing(*_: object) -> None:
        raise ModuleNotFoundError("No module named 'opentelemetry.sdk'")

    monkeypatch.setattr(tracing, "_made", missing)
    sources = sources_of(FakeState())
    async with traced(sources, {ADDRESS: "http://c"}):
        assert not sources.observed.followers
    assert "install the extra mme[traces]" in caplog.text


def test_nothing_of_it_is_imported_where_it_is_not_wanted():
    program = (
        "import sys, mme.app.standalone, mme.app.multi_model, mme.app.single_model;"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "[]"


async def test_spans_reach_a_collector_before_the_end(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    sources = sources_of(FakeState())
    with collecting() as collector:
        monkeypatch.setenv(ADDRESS, collector.url)
        async with traced(sources, {ADDRESS: collector.url}):
            answered(sources.observed, "m", model_s=0.01)
            assert sources.http.on_begin is not None
    assert sources.http.on_begin is None
    assert "invocations are traced, by the exporter otlp" in caplog.text
    assert collector.resource["service.name"] == "mme"
    assert collector.resource["service.version"] == "1.2.3"
    assert [span.name for span in collector.spans] == ["model", "invoke"]


async def test_a_collector_that_is_not_there_does_not_hold_up_the_end(monkeypatch):
    monkeypatch.setenv(ADDRESS, "http://127.0.0.1:9")
    monkeypatch.setattr(tracing, "CLOSE_S", 0.2)
    sources = sources_of(FakeState())
    async with traced(sources, {ADDRESS: "http://127.0.0.1:9"}):
        answered(sources.observed, "m")
    assert sources.observed.statistics.requests == 1
