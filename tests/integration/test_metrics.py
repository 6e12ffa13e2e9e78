"""Metrics, health and traces of real endpoints, in each of the three modes."""

from __future__ import annotations

import json
import os
import signal
import tarfile
from typing import TYPE_CHECKING

import pytest
import requests

from mme.core.version import VERSION
from tests.support.collector import collecting
from tests.support.dashboards import missing_in, queries_in
from tests.support.endpoint import PROJECT, free_port, running_endpoint
from tests.support.measured import OPENMETRICS, Scrape, scraped
from tests.support.processes import pids_of, wait_until

if TYPE_CHECKING:
    from pathlib import Path

TARGET = "X-Amzn-SageMaker-Target-Model"
CSV = {"Content-Type": "text/csv"}
ROW = "Impfstoff,Erbgut"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(scope="module")
def collector():
    with collecting() as running:
        yield running


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory, collector):
    store = str(PROJECT / "artifacts")
    settings = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "MME_METRICS_MODELS": "1",
    }
    with running_endpoint(store, tmp_path_factory.mktemp("metrics"), settings) as running:
        yield running


def ask(endpoint, target="DocSim.tar.gz", **headers) -> requests.Response:
    return requests.post(
        f"{endpoint.url}/endpoints/e/invocations",
        data=ROW,
        headers={**CSV, TARGET: target, **headers},
        timeout=60,
    )


def scrape_of(endpoint, accept: str = "") -> Scrape:
    answer = requests.get(f"{endpoint.url}/metrics", headers={"Accept": accept}, timeout=30)
    assert answer.status_code == 200
    return scraped(answer.text, accept)


def test_what_is_done_shows_in_the_metrics(endpoint):
    before = scrape_of(endpoint)
    requests.delete(f"{endpoint.url}/models/DocSim.tar.gz", timeout=30)
    for _ in range(3):
        assert ask(endpoint).status_code == 200
    assert ask(endpoint, "none.tar.gz").status_code == 400
    after = scrape_of(endpoint, OPENMETRICS)

    def grown(name: str, **labels: str) -> float:
        return after(name, **labels) - before.values.get((name, frozenset(labels.items())), 0)

    total = "mme_invocations_total"
    assert grown(total, outcome="warm", result="2xx") == 2
    assert grown(total, outcome="first", result="TargetNotFound") == 1
    came = [grown(total, outcome=outcome, result="2xx") for outcome in ("cold", "first")]
    assert sum(came) == 1
    assert grown("mme_invocation_duration_seconds_count", outcome="warm") == 2
    assert grown("mme_load_duration_seconds_count") == 1
    assert grown("mme_invocation_stage_seconds_total", stage="model") > 0
    route = {"method": "POST", "route": "/endpoints/{endpoint}/invocations"}
    assert grown("mme_http_requests_total", **route, status="200") == 3
    # The state is read twice a second at most.
    wait_until(lambda: scrape_of(endpoint)("mme_models", state="ready") >= 1, "it is in memory")
    assert after("mme_memory_limit_bytes") > after("mme_memory_used_bytes") > 0
    assert after("mme_workers", kind="pool") >= 1


def test_models_beyond_the_setting_are_summed(endpoint):
    for target, times in {"DocSim.tar.gz": 5, "en/DocSim.tar.gz": 1}.items():
        for _ in range(times):
            assert ask(endpoint, target).status_code == 200
    scrape = scrape_of(endpoint)
    named = scrape.labels_of("mme_model_invocations_total", "target_model")
    assert named == ["DocSim.tar.gz", "(others)"]
    assert scrape("mme_model_invocations_total", target_model="(others)") >= 1


def test_every_series_of_the_dashboard_is_there(endpoint):
    assert ask(endpoint).status_code == 200
    board = json.loads((PROJECT / "deploy" / "grafana" / "mme.json").read_text(encoding="utf-8"))
    asked = queries_in(board)
    assert asked
    assert not missing_in(scrape_of(endpoint), asked)


def test_cloudwatch_metrics_are_told_by_their_names(endpoint):
    assert ask(endpoint).status_code == 200
    told = requests.get(f"{endpoint.url}/cloudwatch-metrics", timeout=30).json()
    data = {each["MetricName"]: each for each in told["MetricData"]}
    assert data["Invocations"]["Value"] >= 1
    assert data["ModelLatency"]["Unit"] == "Microseconds"
    assert data["ModelLatency"]["StatisticValues"]["Minimum"] > 0
    assert data["ModelCacheHit"]["StatisticValues"]["SampleCount"] >= 1
    assert data["ModelLoadingTime"]["StatisticValues"]["Sum"] > 0


def test_an_invocation_is_a_span_of_its_callers_trace(endpoint, collector):
    answer = ask(endpoint, traceparent=TRACEPARENT)
    request_id = answer.headers["x-amzn-RequestId"]

    def spans() -> dict:
        found = [each for each in collector.spans if each.trace_id.hex() == TRACEPARENT[3:35]]
        return {each.name: each for each in found}

    wait_until(lambda: "invoke" in spans(), "a span of the trace")
    found = spans()
    assert found["invoke"].parent_span_id.hex() == TRACEPARENT[36:52]
    attributes = {each.key: each.value for each in found["invoke"].attributes}
    assert attributes["mme.target_model"].string_value == "DocSim.tar.gz"
    assert attributes["mme.request_id"].string_value == request_id
    assert found["model"].parent_span_id == found["invoke"].span_id
    assert collector.resource["service.name"] == "mme"


def test_it_is_alive_but_not_ready_while_the_model_server_is_down(tmp_path):
    with running_endpoint(str(PROJECT / "artifacts"), tmp_path) as endpoint:
        (pid,) = pids_of(endpoint, "ModelServer")
        assert requests.get(f"{endpoint.url}/readyz", timeout=30).json() == {"ready": True}
        os.kill(pid, signal.SIGKILL)
        answers = []

        def is_down() -> bool:
            answers.append(requests.get(f"{endpoint.url}/readyz", timeout=30))
            return answers[-1].status_code == 503

        wait_until(is_down, "it is not ready")
        assert answers[-1].json()["ready"] is False
        assert answers[-1].json()["reasons"]
        assert requests.get(f"{endpoint.url}/livez", timeout=30).status_code == 200
        wait_until(lambda: not is_down(), "it is ready again")


def container_settings(**more: str) -> dict[str, str]:
    return {"SAGEMAKER_BIND_TO_PORT": str(free_port()), **more}


def unpacked(folder: Path) -> Path:
    folder.mkdir(parents=True)
    with tarfile.open(PROJECT / "artifacts" / "DocSim.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder


def embedded(lines: list[str]) -> list[dict]:
    return [json.loads(line) for line in lines if line.startswith('{"_aws"')]


def test_a_multi_model_container_tells_cloudwatch_what_it_has_loaded(tmp_path):
    models_dir = tmp_path / "models"
    folder = unpacked(models_dir / "m" / "model")
    settings = container_settings(SAGEMAKER_MULTI_MODEL="true", MME_MODELS_DIR=str(models_dir))
    with running_endpoint("/nonexistent", tmp_path, settings) as endpoint:
        loaded = requests.post(
            f"{endpoint.url}/models",
            json={"model_name": "m", "url": str(folder)},
            timeout=60,
        )
        assert loaded.status_code == 200
        for _ in range(2):
            url = f"{endpoint.url}/models/m/invoke"
            assert requests.post(url, data=ROW, headers=CSV, timeout=60).status_code == 200
        assert requests.get(f"{endpoint.url}/livez", timeout=30).status_code == 200
        assert requests.get(f"{endpoint.url}/readyz", timeout=30).json() == {"ready": True}
        scrape = scrape_of(endpoint)
        assert scrape("mme_build_info", mode="multi-model container", version=VERSION) == 1
        assert endpoint.stop() == 0
    told = embedded(endpoint.out_lines)[-1]
    assert told["mode"] == "multi-model container"
    names = {each["Name"] for each in told["_aws"]["CloudWatchMetrics"][0]["Metrics"]}
    assert names <= told.keys()
    assert sum(line["Invocations"] for line in embedded(endpoint.out_lines)) == 2
    assert told["LoadedModelCount"] == 1
    loads = [line.get("ModelLoadingTime", {"Count": 0}) for line in embedded(endpoint.out_lines)]
    assert sum(each["Count"] for each in loads) == 1


def test_a_standalone_endpoint_writes_no_embedded_metrics_unless_told(endpoint):
    assert not embedded(endpoint.out_lines)
