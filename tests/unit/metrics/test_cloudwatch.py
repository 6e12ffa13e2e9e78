"""SageMaker's metrics by name and unit: since the start for who asks, since the last time else."""

from __future__ import annotations

import json

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from mme.core.errors import ModelFailed
from mme.core.timing import Timing
from mme.metrics.cloudwatch import CALLS, INSTANCES, CloudWatch, Set, dimensions_of
from mme.metrics.emf import NAMESPACE, Emitter, line_of
from mme.residency.status import Share
from tests.support.measured import answered, sources_of

UNITS = {
    "ModelLoadingWaitTime": "Microseconds",
    "ModelUnloadingTime": "Microseconds",
    "ModelDownloadingTime": "Microseconds",
    "ModelLoadingTime": "Microseconds",
    "ModelCacheHit": "None",
    "LoadedModelCount": "None",
    "Invocations": "None",
    "Invocation4XXErrors": "None",
    "Invocation5XXErrors": "None",
    "InvocationModelErrors": "None",
    "ModelLatency": "Microseconds",
    "OverheadLatency": "Microseconds",
    "MemoryUtilization": "Percent",
    "DiskUtilization": "Percent",
}
"""As SageMaker's guide has them."""


@pytest.fixture
def used(state):
    """Sources of an endpoint that has done a bit of everything."""
    sources = sources_of(state, endpoint_names=("demo",))
    state.shares["m"] = Share("m", 1, 0)
    observed, http = sources.observed, sources.http
    answered(
        observed, "m", "first", seconds=1.0,
        fetch_s=0.5, queue_s=0.1, load_s=0.2, model_s=0.15,
    )  # fmt: skip
    for _ in range(3):
        answered(observed, "m", seconds=0.03, queue_s=0.01, model_s=0.015)
        http.ended("POST", "/invocations", 200, 0.03)
    observed.failed("m", ModelFailed("m", 500, "no"), 0.1, Timing(), was_here=True)
    http.ended("POST", "/endpoints/{endpoint}/invocations", 424, 1.0)
    http.ended("POST", "/endpoints/{endpoint}/invocations", 503, 1.0)
    observed.events.note("arrived", "m", "", fetch_s=0.4)
    observed.events.note("loaded", "m", "", load_s=0.2)
    observed.events.note("unloaded", "m", "", unload_s=0.001)
    return sources


def values(data):
    return {each.name: each.value for each in data}


def test_names_and_units_are_those_of_sagemaker(used):
    data = CloudWatch(used).since_start()
    assert {each.name: each.unit for each in data} == UNITS


def test_what_is_timed_is_told_in_microseconds_by_its_statistics(used):
    data = values(CloudWatch(used).since_start())
    assert data["ModelLoadingWaitTime"] == Set(1, 700_000.0, 700_000.0, 700_000.0)
    assert data["ModelDownloadingTime"] == Set(1, 400_000.0, 400_000.0, 400_000.0)
    assert data["ModelLoadingTime"] == Set(1, 200_000.0, 200_000.0, 200_000.0)
    assert data["ModelUnloadingTime"] == Set(1, 1_000.0, 1_000.0, 1_000.0)
    assert data["ModelLatency"] == Set(4, 325_000.0, 25_000.0, 250_000.0)
    assert data["OverheadLatency"] == Set(4, 65_000.0, 5_000.0, 50_000.0)


def test_hits_and_errors_are_counted(used):
    data = values(CloudWatch(used).since_start())
    assert data["ModelCacheHit"] == Set(5, 4, 0.0, 1.0)
    assert data["Invocations"] == 5
    assert data["Invocation4XXErrors"] == data["Invocation5XXErrors"] == 1
    assert data["InvocationModelErrors"] == 1
    assert data["LoadedModelCount"] == 1
    assert data["MemoryUtilization"] == data["DiskUtilization"] == 25.0


def test_a_container_tells_what_its_platform_has_loaded_and_how_long_that_took(state):
    sources = sources_of(state, loaded_models=lambda: 12)
    sources.observed.events.note("loaded", "m", "", load_s=0.001)
    sources.observed.events.note("loaded", "m", "", platform_load_s=0.5)
    data = values(CloudWatch(sources).since_start())
    assert data["LoadedModelCount"] == 12
    assert data["ModelLoadingTime"] == Set(1, 500_000.0, 500_000.0, 500_000.0)


def test_since_the_last_time_only_what_is_new_is_told(used):
    cloudwatch = CloudWatch(used)
    assert values(cloudwatch.since_last()) == values(cloudwatch.since_start())
    answered(used.observed, "m", seconds=0.02, model_s=0.02)
    used.http.ended("POST", "/invocations", 200, 0.02)
    data = values(cloudwatch.since_last())
    assert data["Invocations"] == 1
    assert data["ModelCacheHit"] == Set(1, 1, 1.0, 1.0)
    assert data["ModelLatency"] == Set(1, 20_000.0, 20_000.0, 20_000.0)
    assert "ModelLoadingTime" not in data
    data = values(cloudwatch.since_last())
    assert data["Invocations"] == 0
    assert "ModelCacheHit" not in data
    assert values(cloudwatch.since_start())["ModelLatency"].count == 5


@pytest.mark.parametrize("namespace", [CALLS, INSTANCES])
def test_what_is_told_can_be_given_to_put_metric_data(used, namespace):
    told = CloudWatch(used).put_metric_data(namespace)
    service = ServiceModel(Loader().load_service_model("cloudwatch", "service-2"))
    shape = service.operation_model("PutMetricData").input_shape
    assert shape is not None
    report = ParamValidator().validate(told, shape)
    assert not report.has_errors(), report.generate_report()
    assert told["Namespace"] == namespace
    assert told["MetricData"]
    for datum in told["MetricData"]:
        assert {each["Name"]: each["Value"] for each in datum["Dimensions"]} == {
            "EndpointName": "demo",
            "VariantName": "AllTraffic",
        }


@pytest.mark.parametrize(("names", "known"), [((), False), (("a",), True), (("a", "b"), False)])
def test_an_endpoint_is_named_where_it_has_one_name(state, names, known):
    dimensions = dimensions_of(sources_of(state, endpoint_names=names))
    assert dimensions == ({"EndpointName": "a", "VariantName": "AllTraffic"} if known else {})


def test_a_line_of_the_embedded_metric_format_has_all_that_its_head_names(used):
    data = CloudWatch(used).since_last()
    line = line_of(data, dimensions_of(used), {"mode": "test"}, 1_700_000_000.5)
    assert "\n" not in line
    content = json.loads(line)
    head = content["_aws"]
    assert head["Timestamp"] == 1_700_000_000_500
    (directive,) = head["CloudWatchMetrics"]
    assert directive["Namespace"] == NAMESPACE
    assert not NAMESPACE.startswith("AWS/")
    assert directive["Dimensions"] == [["EndpointName", "VariantName"]]
    assert content["EndpointName"] == "demo"
    assert {each["Name"]: each["Unit"] for each in directive["Metrics"]} == UNITS
    for each in directive["Metrics"]:
        value = content[each["Name"]]
        assert isinstance(value, float) or set(value) == {"Max", "Min", "Count", "Sum"}
    assert content["ModelLatency"]["Count"] == 4


async def test_a_line_is_written_at_each_full_minute_and_at_the_end(used):
    written: list[dict] = []
    slept: list[float] = []
    now_s = 1_700_000_005.0

    class Stopped(Exception):
        pass

    async def sleep(seconds: float) -> None:
        nonlocal now_s
        slept.append(seconds)
        if len(slept) > 2:
            raise Stopped
        now_s += seconds

    emitter = Emitter(
        CloudWatch(used),
        used,
        lambda line: written.append(json.loads(line)),
        clock=lambda: now_s,
        sleep=sleep,
    )
    with pytest.raises(Stopped):
        await emitter.keep_writing()
    assert [line["Invocations"] for line in written] == [5, 0]
    assert [line["_aws"]["Timestamp"] % 60_000 for line in written] == [0, 0]
    assert slept[1:] == [60.0, 60.0]
    async with emitter.running():
        used.http.ended("POST", "/invocations", 200, 0.02)
    assert written[-1]["Invocations"] == 1


def test_nobody_reading_the_lines_is_no_fault(used):
    def write(_line: str) -> None:
        raise BrokenPipeError

    Emitter(CloudWatch(used), used, write).write_line()
    assert used.observed.statistics.requests == 5
