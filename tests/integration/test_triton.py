"""Artifacts laid out for Triton on a real endpoint, asked as they are asked on SageMaker.

Bodies are made and read by tritonclient, unmodified, and sent by boto3 or by its own client.
"""

from __future__ import annotations

import json
import threading
from typing import Any

import numpy as np
import pytest
import requests
from botocore.exceptions import ClientError
from tritonclient.http import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

from tests.support.endpoint import free_port, running_endpoint
from tests.support.triton import (
    SCALING_CONFIG,
    laid_out,
    packed,
    python_model,
    scaling,
    tensor_line,
)
from tests.support.triton_ensembles import embedded, image_ensemble, png, text_ensemble

IMAGES, TEXTS, SCALE = "ok/images.tar.gz", "ok/texts.tar.gz", "scale.tar.gz"
SENTENCES = ["wind turbines kill birds", "tax on electricity"]
TYPE = "application/vnd.sagemaker-triton.binary+json;json-header-size="
FAULTY = """
x = array(request, "X")
if x[0, 0] == 1:
    raise ValueError("because of 1")
if x[0, 0] == 2:
    import os
    os._exit(3)
return [pb_utils.Tensor("Y", x)]
"""
PYTHON = 'backend: "python"\n' + "".join(
    tensor_line(key, name, "FP32", "-1, 2") for key, name in (("input", "X"), ("output", "Y"))
)


def scale_files(root, factor=2.0):
    return laid_out(root, {"scale/config.pbtxt": SCALING_CONFIG,
                           "scale/1/model.onnx": scaling(factor)})  # fmt: skip


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("triton")
    store, made = tmp_path / "store", tmp_path / "made"
    packed(image_ensemble(made / "images"), store / IMAGES)
    packed(text_ensemble(made / "texts"), store / TEXTS)
    packed(scale_files(made / "scale"), store / SCALE)
    faulty = laid_out(made / "faulty", {"config.pbtxt": PYTHON,
                                        "1/model.py": python_model(FAULTY)})  # fmt: skip
    packed(faulty, store / "ok/faulty.tar.gz")
    ran = f"open({str(tmp_path / 'ran')!r}, 'w')\n"
    laid_out(faulty, {"1/model.py": ran + python_model(FAULTY)})
    packed(faulty, store / "elsewhere.tar.gz")
    broken = image_ensemble(made / "broken")
    (broken / "classifier/config.pbtxt").write_text('platform: "tensorrt_plan"')
    packed(broken, store / "ok/broken.tar.gz")
    with running_endpoint(str(store), tmp_path, {"MME_ALLOW_CODE": "ok/*"}) as running:
        yield running


@pytest.fixture
def client(endpoint):
    with InferenceServerClient(endpoint.url.removeprefix("http://")) as made:
        yield made


def given(name, array, kind):
    sent = InferInput(name, list(array.shape), kind)
    sent.set_data_from_numpy(array)
    return sent


def images(*colours):
    return given("IMAGE", np.array([[png(*each)] for each in colours], object), "BYTES")


def invoke(endpoint, target, inputs):
    """What tritonclient reads of the answer to the body that it made."""
    body, json_bytes = InferenceServerClient.generate_request_body(inputs)
    answer = endpoint.client().invoke_endpoint(
        EndpointName="e", TargetModel=target, ContentType=f"{TYPE}{json_bytes}", Body=body
    )
    assert answer["ContentType"].startswith(TYPE)
    return InferenceServerClient.parse_response_body(
        answer["Body"].read(), header_length=int(answer["ContentType"].removeprefix(TYPE))
    )


def refused(endpoint, target, rows=((0, 0),)):
    inputs = [given("X", np.array(rows, np.float32), "FP32")]
    with pytest.raises(ClientError) as caught:
        invoke(endpoint, target, inputs)
    said: Any = caught.value.response
    return said["OriginalStatusCode"], json.loads(said["OriginalMessage"])


def test_an_image_is_preprocessed_classified_and_labelled(endpoint, client):
    sent = [images((250, 10, 10), (0, 20, 200))]
    for result in (invoke(endpoint, IMAGES, sent), client.infer(IMAGES, sent)):
        assert result.as_numpy("LABEL").tolist() == [[b"red:0.93"], [b"blue:0.91"]]


def test_a_text_is_cut_into_tokens_transformed_and_pooled(endpoint, client):
    wanted = np.stack([embedded(text) for text in SENTENCES])
    sent = [given("TEXT", np.array([[text] for text in SENTENCES], object), "BYTES")]
    for result in (invoke(endpoint, TEXTS, sent), client.infer(TEXTS, sent)):
        np.testing.assert_allclose(result.as_numpy("embedding"), wanted, atol=1e-6)


@pytest.mark.parametrize("media", ["application/json", "application/octet-stream"])
def test_requests_in_json_are_answered_in_json(endpoint, media):
    body = {"inputs": [{"name": "TEXT", "shape": [1, 1], "datatype": "BYTES",
                        "data": SENTENCES[:1]}]}  # fmt: skip
    answer = endpoint.client().invoke_endpoint(
        EndpointName="e", TargetModel=TEXTS, ContentType=media, Body=json.dumps(body)
    )
    said = json.loads(answer["Body"].read())
    assert answer["ContentType"] == "application/json"
    assert (said["model_name"], said["outputs"][0]["shape"]) == (TEXTS, [1, 4])
    np.testing.assert_allclose(said["outputs"][0]["data"], embedded(SENTENCES[0]), atol=1e-6)


def test_an_ensemble_tells_of_itself_as_one_model(endpoint, client):
    client.load_model(IMAGES)
    metadata = client.get_model_metadata(IMAGES)
    assert metadata["platform"] == "ensemble"
    assert metadata["inputs"] == [{"name": "IMAGE", "datatype": "BYTES", "shape": [-1, 1]}]
    assert metadata["outputs"] == [{"name": "LABEL", "datatype": "BYTES", "shape": [-1, 1]}]
    view = requests.get(f"{endpoint.url}/models/{IMAGES}", timeout=10).json()["model"]
    assert view["steps"] == ["preprocess", "classifier", "postprocess"]
    assert any("KIND_GPU is passed over" in each for each in view["warnings"])
    client.load_model(IMAGES)
    assert client.is_model_ready(IMAGES)


def test_what_each_step_took_is_counted(endpoint):
    invoke(endpoint, IMAGES, [images((1, 2, 3))])
    lines = requests.get(f"{endpoint.url}/metrics", timeout=10).text.splitlines()
    for step in ("preprocess", "classifier", "postprocess"):
        assert [each for each in lines if "_count{" in each and f'step="{step}"' in each]


def test_onnx_models_need_no_leave(endpoint):
    result = invoke(endpoint, SCALE, [given("X", np.ones((1, 2), np.float32), "FP32")])
    assert result.as_numpy("Y").tolist() == [[2, 2]]


def test_code_that_is_not_allowed_never_runs(endpoint):
    status, said = refused(endpoint, "elsewhere.tar.gz")
    assert (status, said["type"]) == (403, "CodeNotAllowed")
    assert "MME_ALLOW_CODE does not name 'elsewhere.tar.gz'" in said["message"]
    assert not (endpoint.scratch / "ran").exists()


def test_a_step_that_fails_is_named(endpoint, client):
    status, said = refused_images(endpoint, b"no image")
    assert (status, said["type"]) == (500, "UnidentifiedImageError")
    assert said["message"].startswith("Step preprocess: cannot identify image file")
    status, said = refused_images(endpoint, png(0, 0, 0))
    assert (status, said["message"]) == (500, "Step postprocess: an image without a colour")
    with pytest.raises(InferenceServerException, match="has a batch of 5"):
        client.infer(IMAGES, [images(*[(1, 1, 1)] * 5)])


def refused_images(endpoint, data):
    with pytest.raises(ClientError) as caught:
        invoke(endpoint, IMAGES, [given("IMAGE", np.array([[data]], object), "BYTES")])
    said: Any = caught.value.response
    return said["OriginalStatusCode"], json.loads(said["OriginalMessage"])


def test_a_backend_that_is_not_here_is_refused_by_name(endpoint):
    status, said = refused(endpoint, "ok/broken.tar.gz")
    assert (status, said["type"]) == (500, "ArtifactError")
    assert "classifier/config.pbtxt: platform 'tensorrt_plan' is not here" in said["message"]


def test_a_wrong_tensor_or_script_costs_no_other_model_a_request(endpoint):
    failures: list[Exception] = []
    is_over = threading.Event()

    def ask_another():
        sent = [given("X", np.ones((1, 2), np.float32), "FP32")]
        while not is_over.is_set():
            try:
                invoke(endpoint, SCALE, sent)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is one too many
                failures.append(error)

    asking = threading.Thread(target=ask_another)
    asking.start()
    try:
        status, said = refused(endpoint, "ok/faulty.tar.gz", [[1, 0]])
        assert (status, said["type"], said["message"]) == (500, "ValueError", "because of 1")
        ending = [given("X", np.array([[2, 0]], np.float32), "FP32")]
        with pytest.raises(ClientError):  # its process ends
            invoke(endpoint, "ok/faulty.tar.gz", ending)
        status, said = refused(endpoint, "ok/broken.tar.gz")
        assert status == 500
        result = invoke(endpoint, "ok/faulty.tar.gz",
                        [given("X", np.zeros((1, 2), np.float32), "FP32")])  # fmt: skip
        assert result.as_numpy("Y").tolist() == [[0, 0]]
    finally:
        is_over.set()
        asking.join()
    assert not failures


@pytest.mark.parametrize(("allowed", "status"), [("1", 200), ("", 403)])
def test_a_container_of_many_models_loads_it_where_code_is_allowed(tmp_path, allowed, status):
    models_dir = tmp_path / "models"
    folder = text_ensemble(models_dir / "abc" / "model")
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
        if not allowed:
            assert "MME_ALLOW_CODE" in loaded.text
            return
        sent = [given("TEXT", np.array([[SENTENCES[0]]], object), "BYTES")]
        body, json_bytes = InferenceServerClient.generate_request_body(sent)
        headers = {"Content-Type": f"{TYPE}{json_bytes}"}
        answer = requests.post(
            f"{container.url}/models/abc/invoke", body, headers=headers, timeout=60
        )
        size = int(answer.headers["Content-Type"].removeprefix(TYPE))
        result = InferenceServerClient.parse_response_body(answer.content, header_length=size)
        np.testing.assert_allclose(
            result.as_numpy("embedding"), [embedded(SENTENCES[0])], atol=1e-6
        )
