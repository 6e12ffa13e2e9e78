"""An ensemble behind a whole endpoint: one model from outside; a wrong one harms no other."""

from __future__ import annotations

import io
import json
import re
import shutil
import tarfile
from typing import Any

import pytest
import requests

from tests.support import archives
from tests.support.endpoint import PROJECT, running_endpoint
from tests.support.fact_checks import CLAIMS, ENSEMBLE, MEMBERS, SOURCE, make_sample, one_by_one

SEARCH = "Search.tar.gz"
CLAIM = CLAIMS[0]


def with_graph(archive, change):
    """The archive with another `ensemble.json`."""
    with tarfile.open(archive) as tar:
        files = {each.name: read(tar, each) for each in tar if each.isfile()}
    said = json.loads(files["ensemble.json"])
    change(said)
    return archives.tar_gz(files | {"ensemble.json": json.dumps(said).encode()})


def read(tar, member):
    return (tar.extractfile(member) or io.BytesIO()).read()


def close_circle(said):
    said["steps"]["keyphrases"]["request"]["text"] = "$query"


def search_elsewhere(said):
    step = said["steps"]["search"]
    del step["model"]
    step["target"] = SEARCH


def ask_for_bytes(said):
    said["steps"]["query"]["text"] = ["$claim"] * 3
    said["steps"]["search"]["request"]["top_k"] = 0


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("ensembles")
    store = tmp_path / "store"
    store.mkdir()
    made = make_sample(store)
    shutil.copy(PROJECT / "artifacts" / SEARCH, store)
    (store / "circle.tar.gz").write_bytes(with_graph(made, close_circle))
    (store / "failing.tar.gz").write_bytes(with_graph(made, ask_for_bytes))
    (store / "elsewhere.tar.gz").write_bytes(with_graph(made, search_elsewhere))
    with running_endpoint(str(store), tmp_path) as running:
        yield running


def ask(endpoint, target, body):
    headers = {"X-Amzn-SageMaker-Target-Model": target, "Content-Type": "application/json"}
    return requests.post(f"{endpoint.url}/invocations", headers=headers, json=body, timeout=60)


def test_an_ensemble_answers_and_tells_the_time_of_its_steps(endpoint):
    answer = ask(endpoint, ENSEMBLE, {"claim": CLAIM, "trace": True})
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert said["fact_checks"][0]["id"] == "fc-001"
    steps = {each["step"]: each["ms"] for each in said["trace"]["steps"]}
    assert steps.keys() == json.loads((SOURCE / "ensemble.json").read_text("utf-8"))["steps"].keys()
    assert sum(steps.values()) <= said["trace"]["ms"] + 0.1


@pytest.mark.parametrize("claim", CLAIMS)
def test_an_ensemble_answers_what_its_steps_answer_one_by_one(endpoint, claim):
    def asked(target, body):
        answer = ask(endpoint, target, body)
        answer.raise_for_status()
        return answer.json()

    said = asked(ENSEMBLE, {"claim": claim})
    assert said["fact_checks"]
    assert said == one_by_one(asked, claim)


def test_an_ensemble_is_one_model_that_tells_its_steps_and_members(endpoint):
    assert ask(endpoint, ENSEMBLE, {"claim": CLAIM}).status_code == 200
    told = requests.get(f"{endpoint.url}/models/{ENSEMBLE}", timeout=10).json()
    model = (told[0] if isinstance(told, list) else told)["model"]
    assert model["family"] == "Ensemble"
    assert model["steps"][0]["step"] == "keyphrases"
    assert {name: each["family"] for name, each in model["members"].items()} == MEMBERS


@pytest.mark.hostile("artifacts")
def test_a_wrong_graph_is_refused_by_name_and_costs_no_other_model_a_request(endpoint):
    for _ in range(3):
        refused = ask(endpoint, "circle.tar.gz", {"claim": CLAIM})
        assert refused.status_code >= 400
        assert "steps wait for each other" in refused.text
        assert ask(endpoint, SEARCH, {"claim": CLAIM}).status_code == 200
        assert ask(endpoint, ENSEMBLE, {"claim": CLAIM}).status_code == 200


def test_a_failing_step_is_named_with_its_own_status(endpoint):
    refused = ask(endpoint, "failing.tar.gz", {"claim": CLAIM})
    assert refused.status_code == 424
    assert "Step search: top_k must be a whole number from 1" in refused.text
    assert "400" in refused.text


def test_the_times_of_steps_are_in_the_answer_s_header_in_the_log_and_among_the_metrics(endpoint):
    answer = ask(endpoint, ENSEMBLE, {"claim": CLAIM, "with_tags": False})
    steps = [each.partition(";dur=") for each in answer.headers["X-Mme-Steps"].split(", ")]
    assert [name for name, _, _ in steps][:2] == ["keyphrases", "query"]
    assert all(float(ms) >= 0 for _, _, ms in steps)
    endpoint.wait_for_log(f"{answer.headers['x-amzn-RequestId']} {ENSEMBLE} ")
    (line,) = re.findall(f".*{answer.headers['x-amzn-RequestId']}.*", endpoint.log)
    assert re.search(r" \(keyphrases [0-9.]+, query ", line)
    found = requests.get(f"{endpoint.url}/metrics", timeout=10).text
    labels = f'step="search",target_model="{ENSEMBLE}"'
    series = f"mme_model_step_duration_seconds_count{{{labels}}} "
    (count,) = [line for line in found.splitlines() if line.startswith(series)]
    assert float(count.removeprefix(series)) >= 1


def test_a_step_may_ask_another_target_model(endpoint):
    for _ in range(2):
        found = ask(endpoint, "elsewhere.tar.gz", {"claim": CLAIM, "trace": True})
        assert found.status_code == 200, found.text
        said = found.json()
        steps = {each["step"]: each for each in said.pop("trace")["steps"]}
        assert steps["search"]["target"] == SEARCH
        assert said == ask(endpoint, ENSEMBLE, {"claim": CLAIM}).json()


def test_an_ensemble_answers_in_the_open_inference_protocol(endpoint):
    claim: dict[str, Any] = {"name": "claim", "datatype": "BYTES", "shape": [1], "data": [CLAIM]}
    url = f"{endpoint.url}/v2/models/{ENSEMBLE}/infer"
    answer = requests.post(url, json={"inputs": [claim]}, timeout=60)
    assert answer.status_code == 200, answer.text
    outputs = {each["name"]: each["data"] for each in answer.json()["outputs"]}
    said = ask(endpoint, ENSEMBLE, {"claim": CLAIM}).json()
    assert outputs["keyphrases"] == said["keyphrases"]
    assert json.loads(outputs["fact_checks"][0]) == said["fact_checks"]
