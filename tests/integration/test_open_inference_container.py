"""Bodies that tritonclient makes for SageMaker, asked of a multi-model container as there."""

from __future__ import annotations

import tarfile

import numpy as np
import pytest
import requests
from tritonclient.http import InferenceServerClient, InferInput

from tests.support.endpoint import PROJECT, free_port, running_endpoint

INFER_TYPE = "application/vnd.sagemaker-triton.binary+json"
SIZE = ";json-header-size="


@pytest.fixture(scope="module", params=["door", "mms"])
def container(request, tmp_path_factory):
    """Its address; a model of its own is loaded, called m."""
    folder = tmp_path_factory.mktemp("models")
    model = folder / "m" / "model"
    model.mkdir(parents=True)
    with tarfile.open(PROJECT / "artifacts" / "en" / "DocSim.tar.gz") as archive:
        archive.extractall(model, filter="data")
    settings = {
        "SAGEMAKER_MULTI_MODEL": "true",
        "SAGEMAKER_BIND_TO_PORT": str(free_port()),
        "MME_MODELS_DIR": str(folder),
        "MME_INVOKE": request.param,
    }
    scratch = tmp_path_factory.mktemp("container")
    with running_endpoint(str(folder), scratch, settings) as running:
        load = {"model_name": "m", "url": str(model)}
        assert requests.post(f"{running.url}/models", json=load, timeout=60).status_code == 200
        yield running.url


def ask(container, body, content_type):
    headers = {"Content-Type": content_type, "X-Amzn-SageMaker-Target-Model": "en/m.tar.gz"}
    return requests.post(f"{container}/models/m/invoke", data=body, headers=headers, timeout=60)


def texts(name, *elements):
    sent = InferInput(name, [len(elements)], "BYTES")
    sent.set_data_from_numpy(np.array(elements, object))
    return sent


def test_tensors_are_answered_by_tensors(container):
    pair = [texts("text1", "Cars with petrol"), texts("text2", "Cars with petrol")]
    body, json_bytes = InferenceServerClient.generate_request_body(pair)
    answer = ask(container, body, f"{INFER_TYPE}{SIZE}{json_bytes}")
    assert answer.status_code == 200
    kind, _, size = answer.headers["Content-Type"].partition(SIZE)
    assert kind == INFER_TYPE
    result = InferenceServerClient.parse_response_body(answer.content, header_length=int(size))
    assert result.as_numpy("similarity").tolist() == [1]
    assert result.get_response()["model_name"] == "en/m.tar.gz"


def test_what_is_off_is_told_as_of_any_request(container):
    answer = ask(container, b"{}", f"{INFER_TYPE}; json-header-size=2")
    assert answer.status_code == 400
    assert answer.json()["type"] == "BadInput"
    assert "without blanks" in answer.json()["message"]
