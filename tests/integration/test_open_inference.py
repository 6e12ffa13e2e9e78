"""An unmodified tritonclient, every method of it, against a real endpoint with the samples."""

from __future__ import annotations

import inspect
import json
import shutil
from typing import Any

import numpy as np
import pytest
import requests
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from tests.support.endpoint import PROJECT, running_endpoint

TARGETS = ("TopicalPageRank.tar.gz", "en/DocSim.tar.gz", "en/Search.tar.gz", "en/größe 1.tar.gz")
KEYPHRASES, DOCSIM, SEARCH, ODD = TARGETS
TEXT = "The government plans a new tax on electricity from solar panels."
OTHER = "Owners of solar panels will soon have to pay for their own electricity."
INFER_TYPE = "application/vnd.sagemaker-triton.binary+json"
TRIED = {
    "infer", "async_infer", "generate_request_body", "parse_response_body",
    "is_server_live", "is_server_ready", "is_model_ready", "get_server_metadata",
    "get_model_metadata", "get_model_config", "get_model_repository_index", "load_model",
    "unload_model", "get_inference_statistics",
}  # fmt: skip
REFUSED = {
    "get_trace_settings": (),
    "update_trace_settings": (),
    "get_log_settings": (),
    "update_log_settings": ({"log_info": True},),
    "get_system_shared_memory_status": (),
    "register_system_shared_memory": ("r", "k", 1),
    "unregister_system_shared_memory": ("r",),
    "get_cuda_shared_memory_status": (),
    "register_cuda_shared_memory": ("r", b"k", 0, 1),
    "unregister_cuda_shared_memory": ("r",),
}
LOCAL = {"close", "register_plugin", "plugin", "unregister_plugin"}


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    store = tmp_path_factory.mktemp("store")
    (store / "en").mkdir()
    artifacts = PROJECT / "artifacts"
    shutil.copy(artifacts / "en" / "TopicalPageRank.tar.gz", store / KEYPHRASES)
    shutil.copy(artifacts / "en" / "DocSim.tar.gz", store / DOCSIM)
    shutil.copy(artifacts / "en" / "Search.tar.gz", store / SEARCH)
    shutil.copy(artifacts / "en" / "DocSim.tar.gz", store / ODD)
    (store / "broken.tar.gz").write_bytes(b"none")
    with running_endpoint(str(store), tmp_path_factory.mktemp("endpoint")) as running:
        yield running


@pytest.fixture
def client(endpoint):
    with InferenceServerClient(endpoint.url.removeprefix("http://")) as made:
        yield made


def texts(name, *elements, is_binary=True):
    """An input of texts."""
    sent = InferInput(name, [len(elements)], "BYTES")
    sent.set_data_from_numpy(np.array(elements, object), binary_data=is_binary)
    return sent


PAIR = [texts("text1", TEXT, TEXT), texts("text2", OTHER, TEXT)]


def own_answer(endpoint, target, body, content_type="application/json"):
    """What a model answers in its own form."""
    answer = endpoint.client().invoke_endpoint(
        EndpointName="demo", TargetModel=target, ContentType=content_type, Body=body
    )
    return json.loads(answer["Body"].read())


def refusal(work, *given, **more):
    """The text of what the client raises."""
    with pytest.raises(InferenceServerException) as error:
        work(*given, **more)
    return error.value.message()


def test_every_method_of_the_client_is_tried():
    methods = {name for name, _ in inspect.getmembers(InferenceServerClient, inspect.isfunction)}
    methods |= {"generate_request_body", "parse_response_body"}
    assert {name for name in methods if not name.startswith("_")} == TRIED | {*REFUSED} | LOCAL


def test_the_server_is_there(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.get_server_metadata()["name"] == "mme"


def test_a_model_tells_of_itself_before_it_is_loaded(client):
    client.unload_model(ODD)
    assert not client.is_model_ready(ODD)
    metadata = client.get_model_metadata(ODD, "1")
    assert metadata["name"] == ODD
    assert metadata["versions"] == ["1"]
    assert [each["name"] for each in metadata["inputs"]] == ["text1", "text2"]
    assert metadata["outputs"] == [{"name": "similarity", "datatype": "FP32", "shape": [-1]}]
    config = client.get_model_config(ODD)
    assert [each["data_type"] for each in config["input"]] == ["TYPE_STRING", "TYPE_STRING"]
    assert not client.is_model_ready(ODD)


def test_models_are_loaded_and_unloaded(client):
    client.load_model(ODD)
    assert client.is_model_ready(ODD)
    assert client.is_model_ready(ODD, "1")
    assert not client.is_model_ready(ODD, "2")
    index = {each["name"]: each for each in client.get_model_repository_index()}
    assert set(index) == {*TARGETS, "broken.tar.gz"}
    assert index[ODD]["state"] == "READY"
    client.unload_model(ODD)
    assert not client.is_model_ready(ODD)
    client.unload_model(ODD)  # that is so already
    index = {each["name"]: each for each in client.get_model_repository_index()}
    assert index[ODD]["state"] == "UNAVAILABLE"


def test_what_is_no_model_is_refused(client):
    for work in (client.get_model_metadata, client.load_model, client.unload_model):
        assert "none.tar.gz" in refusal(work, "none.tar.gz")
    assert "was refused" in refusal(client.load_model, "broken.tar.gz")
    assert not client.is_model_ready("none.tar.gz")
    overridden = refusal(client.load_model, DOCSIM, config="{}")
    assert "'config' is not possible" in overridden
    assert "no version 7" in refusal(client.get_model_metadata, DOCSIM, "7")


@pytest.mark.parametrize("target", [DOCSIM, ODD])
@pytest.mark.parametrize("is_binary", [True, False])
def test_similarities_are_those_of_the_models_own_form(client, endpoint, target, is_binary):
    pairs = json.dumps({"pairs": [[TEXT, OTHER], [TEXT, TEXT]]})
    own = own_answer(endpoint, target, pairs)["similarities"]
    result = client.infer(
        target,
        [
            texts("text1", TEXT, TEXT, is_binary=is_binary),
            texts("text2", OTHER, TEXT, is_binary=is_binary),
        ],
        model_version="1",
        request_id="7",
        outputs=[InferRequestedOutput("similarity", binary_data=is_binary)],
    )
    assert result.as_numpy("similarity").tolist() == [np.float32(each) for each in own]
    assert result.get_response()["model_name"] == target
    assert result.get_response()["id"] == "7"


OF_TEXTS = {
    "text": (KEYPHRASES, "keyphrases", {"max_count": 2}),
    "claim": (SEARCH, "matches", {"top_k": 2, "show_words": True}),
}


@pytest.mark.parametrize("name", OF_TEXTS)
@pytest.mark.parametrize("coding", [None, "gzip", "deflate"])
def test_texts_get_what_a_list_of_them_gets(client, endpoint, name, coding):
    target, output, parameters = OF_TEXTS[name]
    many = [TEXT, OTHER] * 10
    own = own_answer(endpoint, target, json.dumps({f"{name}s": many} | parameters))["results"]
    result = client.infer(
        target,
        [texts(name, *many)],
        parameters=parameters,
        request_compression_algorithm=coding,
        response_compression_algorithm=coding,
    )
    assert [json.loads(each) for each in result.as_numpy(output)] == own


def test_requests_are_answered_side_by_side(client):
    waiting = [client.async_infer(DOCSIM, PAIR) for _ in range(5)]
    answers = [each.get_result().as_numpy("similarity").tolist() for each in waiting]
    assert answers == [answers[0]] * 5


def test_what_is_off_with_tensors_is_told(client):
    assert "The input text2 is missing" in refusal(client.infer, DOCSIM, PAIR[:1])
    wrong = InferInput("text", [1], "FP32")
    wrong.set_data_from_numpy(np.zeros(1, np.float32))
    assert "The input text is BYTES, not FP32" in refusal(client.infer, KEYPHRASES, [wrong])
    shared = InferInput("text", [1], "BYTES")
    shared.set_shared_memory("region", 1)
    assert "shared memory, which is not" in refusal(client.infer, KEYPHRASES, [shared])
    counted = InferRequestedOutput("similarity", class_count=1)
    assert "classification" in refusal(client.infer, DOCSIM, PAIR, outputs=[counted])
    assert "Unknown key 'topk'" in refusal(
        client.infer, SEARCH, [texts("claim", TEXT)], parameters={"topk": 1}
    )


@pytest.mark.parametrize("name", REFUSED)
def test_what_triton_has_besides_is_refused_by_name(client, name):
    assert refusal(getattr(client, name), *REFUSED[name]).startswith("This endpoint has no")


def test_bodies_made_for_sagemaker_are_answered_by_invoke_endpoint(endpoint):
    body, json_bytes = InferenceServerClient.generate_request_body(PAIR)
    answer = endpoint.client().invoke_endpoint(
        EndpointName="demo",
        TargetModel=DOCSIM,
        ContentType=f"{INFER_TYPE};json-header-size={json_bytes}",
        Body=body,
    )
    kind, _, size = answer["ContentType"].partition(";json-header-size=")
    assert kind == INFER_TYPE
    result = InferenceServerClient.parse_response_body(
        answer["Body"].read(), header_length=int(size)
    )
    assert result.as_numpy("similarity")[1] == 1
    assert result.get_response()["model_name"] == DOCSIM


def test_statistics_count_requests(client):
    [before] = client.get_inference_statistics(DOCSIM)["model_stats"]
    client.infer(DOCSIM, PAIR)
    refusal(client.infer, DOCSIM, PAIR[:1])
    [after] = client.get_inference_statistics(DOCSIM, "1")["model_stats"]
    assert after["inference_count"] == before["inference_count"] + 1
    counted = [each["inference_stats"]["fail"]["count"] for each in (before, after)]
    assert counted[1] == counted[0] + 1
    names = {each["name"] for each in client.get_inference_statistics()["model_stats"]}
    assert DOCSIM in names


def test_a_body_without_json_is_the_text(endpoint):
    answer = requests.post(
        f"{endpoint.url}/v2/models/{KEYPHRASES}/infer",
        data=TEXT,
        headers={"Inference-Header-Content-Length": "0"},
        timeout=30,
    )
    size = int(answer.headers["Inference-Header-Content-Length"])
    result = InferenceServerClient.parse_response_body(answer.content, header_length=size)
    [found] = result.as_numpy("keyphrases")
    assert json.loads(found)["keyphrases"]


def test_a_text_is_generated_of_a_text(endpoint):
    url = f"{endpoint.url}/v2/models/{SEARCH}"
    sent: dict[str, Any] = {"text_input": TEXT, "parameters": {"top_k": 1}}
    answer = requests.post(f"{url}/generate", json=sent, timeout=30).json()
    assert len(json.loads(answer["text_output"])["matches"]) == 1
    stream = requests.post(f"{url}/generate_stream", json=sent, timeout=30)
    assert stream.headers["Content-Type"] == "text/event-stream"
    assert json.loads(stream.text.removeprefix("data: ")) == answer
    refused = requests.post(
        f"{endpoint.url}/v2/models/{DOCSIM}/generate", json={"text_input": TEXT}, timeout=30
    )
    assert refused.status_code == 400
    assert refused.json() == {"error": "This model does not make texts of texts: ask it for /infer"}
