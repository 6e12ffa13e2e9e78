"""Script models through boto3 and the real endpoint: what is refused, answered, and kept apart."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

import numpy as np
import pytest
import requests
from botocore.exceptions import ClientError

from mme.prefork import landlock
from tests.support.endpoint import free_port, running_endpoint
from tests.support.processes import wait_until
from tests.support.scripts import DOUBLING, PYTORCH_FORM, script

COUNTING = """
from shared_name import START, others
COUNT = [START]


def model_fn(model_dir):
    return COUNT


def transform_fn(model, data, content_type, accept):
    model[0] += 1
    return {"count": model[0], "others": others()}
"""
OTHERS = """
import sys
START = %d
def others():
    return [path for path in sys.path if "/model/code" in path].__len__()
"""
FAILING = """
import os, sys
from sagemaker_inference.errors import GenericInferenceToolkitError


def model_fn(model_dir):
    return model_dir


def transform_fn(model, data, content_type, accept, context):
    data = data.decode()
    if data == "refuse":
        raise GenericInferenceToolkitError(422, "not this")
    if data == "write":
        open(os.path.join(model, "new"), "w")
    if data.startswith("read "):
        return open(data[5:]).read()
    if data == "end":
        os._exit(3)
    raise ValueError("because of " + data)
"""


def pack(store, target, *made):
    folder = script(store.parent / "made" / target, *made)
    archive = store / f"{target}.tar.gz"
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "w:gz") as packed:
        for path in sorted(folder.iterdir()):
            packed.add(path, arcname=path.name)


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("scripts")
    store = tmp_path / "store"
    requirements = {"code/requirements.txt": "torch>=2\nnumpy\n"}
    pack(store, "ok/torch", PYTORCH_FORM, {"model.json": "[[1, 0], [0, 2]]", **requirements})
    pack(store, "ok/needy", "import torch\n" + DOUBLING, requirements)
    for name, start in (("one", 0), ("ten", 10)):
        pack(store, f"ok/{name}", COUNTING, {"code/shared_name.py": OTHERS % start})
    pack(store, "ok/failing", FAILING)
    pack(store, "ok/halved", "def model_fn(model_dir): ...\n")
    pack(store, "elsewhere", f"open({str(tmp_path / 'ran')!r}, 'w')\n{DOUBLING}")
    with running_endpoint(str(store), tmp_path, {"MME_ALLOW_CODE": "ok/*"}) as running:
        yield running


def ask(endpoint, target, body="[[3, 4]]", media="application/json", **options):
    answer = endpoint.client().invoke_endpoint(
        EndpointName="e", TargetModel=f"{target}.tar.gz", ContentType=media, Body=body, **options
    )
    return answer, answer["Body"].read()


def refused(endpoint, target, body="[[3, 4]]", media="application/json"):
    with pytest.raises(ClientError) as caught:
        ask(endpoint, target, body, media)
    said: Any = caught.value.response
    return said["OriginalStatusCode"], json.loads(said["OriginalMessage"])


def test_a_script_of_the_pytorch_container_answers(endpoint):
    answer, body = ask(endpoint, "ok/torch", CustomAttributes="abc")
    assert json.loads(body) == [[3, 8]]
    assert answer["ContentType"] == "application/json"
    assert answer["CustomAttributes"] == "cba"


def test_bytes_pass_both_ways_unchanged(endpoint):
    answer, body = ask(
        endpoint, "ok/torch", bytes([255, 1]), "application/x-image", Accept="application/x-npy"
    )
    assert answer["ContentType"] == "application/x-npy"
    assert np.load(io.BytesIO(body)).tolist() == [[255.0, 2.0]]


def test_what_is_missing_is_in_the_description_and_in_the_error(endpoint):
    ask(endpoint, "ok/torch")
    view = requests.get(f"{endpoint.url}/models/ok/torch.tar.gz", timeout=10).json()
    assert view["model"]["family"] == "Script"
    assert view["model"]["requirements"]["missing"] == ["torch>=2 (not installed)"]
    status, said = refused(endpoint, "ok/needy")
    assert (status, said["type"]) == (500, "ModuleNotFoundError")
    assert "torch>=2 (not installed)" in said["message"]

    def seen():
        return requests.get(f"{endpoint.url}/models/ok/needy.tar.gz", timeout=10).json()

    wait_until(lambda: seen()["state"] == "on-disk", "the worker that has no model to end")
    assert "torch>=2 (not installed)" in seen()["last_error"]["message"]


def test_code_that_is_not_allowed_never_runs(endpoint):
    status, said = refused(endpoint, "elsewhere")
    assert (status, said["type"]) == (403, "CodeNotAllowed")
    assert "MME_ALLOW_CODE does not name 'elsewhere.tar.gz'" in said["message"]
    answer = requests.post(
        f"{endpoint.url}/models", json={"target_model": "elsewhere.tar.gz"}, timeout=60
    )
    assert answer.status_code >= 400
    assert not (endpoint.scratch / "ran").exists()


def test_no_header_of_a_caller_allows_code(endpoint):
    answer = requests.post(
        f"{endpoint.url}/invocations",
        data="[1]",
        headers={
            "X-Amzn-SageMaker-Target-Model": "elsewhere.tar.gz",
            "Content-Type": "application/json",
            "X-Mme-Allow-Code": "1",
        },
        timeout=60,
    )
    assert answer.json()["OriginalStatusCode"] == 403
    assert not (endpoint.scratch / "ran").exists()


def test_a_script_without_its_functions_is_refused_before_it_runs(endpoint):
    _, said = refused(endpoint, "ok/halved")
    assert said["type"] == "ArtifactError"
    assert "predict_fn" in said["message"]


def test_scripts_with_modules_of_one_name_do_not_see_each_other(endpoint):
    first = json.loads(ask(endpoint, "ok/one")[1])
    other = json.loads(ask(endpoint, "ok/ten")[1])
    assert (first["count"] < 10 < other["count"], first["others"], other["others"]) == (True, 1, 1)


def test_what_a_script_keeps_in_memory_ends_with_its_process(endpoint):
    counts = [json.loads(ask(endpoint, "ok/one")[1])["count"] for _ in range(2)]
    assert counts[1] == counts[0] + 1
    requests.delete(f"{endpoint.url}/models/ok/one.tar.gz", timeout=60).raise_for_status()
    assert json.loads(ask(endpoint, "ok/one")[1])["count"] == 1


def test_errors_are_told_without_a_stack_and_cost_nobody_else_a_request(endpoint):
    status, said = refused(endpoint, "ok/failing", "refuse", "text/plain")
    assert (status, said["message"]) == (422, "not this")
    status, said = refused(endpoint, "ok/failing", "x", "text/plain")
    assert (status, said["type"], said["message"]) == (500, "ValueError", "because of x")
    with pytest.raises(ClientError):
        ask(endpoint, "ok/failing", "end", "text/plain")
    assert json.loads(ask(endpoint, "ok/torch")[1]) == [[3, 8]]
    assert refused(endpoint, "ok/failing", "y", "text/plain")[1]["message"] == "because of y"


@pytest.mark.hostile("isolation")
def test_a_script_reads_no_other_models_files_and_writes_none(endpoint):
    if not landlock.version():
        pytest.skip("this kernel has no Landlock")
    ask(endpoint, "ok/torch")
    [secret] = endpoint.scratch.glob("cache/**/model.json")
    assert secret.read_text()
    for asked in (f"read {secret}", "read /etc/passwd", "write"):
        status, said = refused(endpoint, "ok/failing", asked, "text/plain")
        assert (status, said["type"]) == (500, "PermissionError")


@pytest.mark.parametrize(("allowed", "status"), [("1", 200), ("", 403)])
def test_a_container_of_many_models_loads_code_where_it_is_allowed(tmp_path, allowed, status):
    models_dir = tmp_path / "models"
    folder = script(models_dir / "abc" / "model", DOUBLING)
    environment = {
        "SAGEMAKER_MULTI_MODEL": "true",
        "SAGEMAKER_BIND_TO_PORT": str(free_port()),
        "MME_MODELS_DIR": str(models_dir),
        "MME_ALLOW_CODE": allowed,
    }
    with running_endpoint("/nonexistent", tmp_path, environment) as container:
        order = {"model_name": "abc", "url": str(folder)}
        loaded = requests.post(f"{container.url}/models", json=order, timeout=60)
        assert loaded.status_code == status, loaded.text
        if allowed:
            url = f"{container.url}/models/abc/invoke"
            headers = {"Content-Type": "application/json"}
            assert requests.post(url, "[2]", headers=headers, timeout=60).json() == [4]
        else:
            assert "MME_ALLOW_CODE" in loaded.text
