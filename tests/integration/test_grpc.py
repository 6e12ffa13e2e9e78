"""An unmodified tritonclient over gRPC, every method of it, against a real endpoint."""

from __future__ import annotations

import inspect
import json
import queue
import re
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np
import pytest
import requests
from tritonclient.grpc import InferenceServerClient, InferInput, InferRequestedOutput, service_pb2
from tritonclient.http import InferenceServerClient as HttpClient
from tritonclient.http import InferInput as HttpInput
from tritonclient.utils import InferenceServerException

from tests.support.endpoint import PROJECT, processes_with, running_endpoint
from tests.support.waiting import eventually

TARGETS = ("TopicalPageRank.tar.gz", "en/DocSim.tar.gz", "en/Search.tar.gz", "en/größe 1.tar.gz")
KEYPHRASES, DOCSIM, SEARCH, ODD = TARGETS
TEXT = "The government plans a new tax on electricity from solar panels."
OTHER = "Owners of solar panels will soon have to pay for their own electricity."
TRIED = {
    "infer", "async_infer", "start_stream", "async_stream_infer", "stop_stream",
    "is_server_live", "is_server_ready", "is_model_ready", "get_server_metadata",
    "get_model_metadata", "get_model_config", "get_model_repository_index", "load_model",
    "unload_model", "get_inference_statistics",
}  # fmt: skip
REFUSED: dict[str, tuple[Any, ...]] = {
    "get_trace_settings": ("TraceSetting",),
    "update_trace_settings": ("TraceSetting",),
    "get_log_settings": ("LogSettings",),
    "update_log_settings": ("LogSettings", {"log_info": True}),
    "get_system_shared_memory_status": ("SystemSharedMemoryStatus",),
    "register_system_shared_memory": ("SystemSharedMemoryRegister", "r", "k", 1),
    "unregister_system_shared_memory": ("SystemSharedMemoryUnregister", "r"),
    "get_cuda_shared_memory_status": ("CudaSharedMemoryStatus",),
    "register_cuda_shared_memory": ("CudaSharedMemoryRegister", "r", b"a2V5", 0, 1),
    "unregister_cuda_shared_memory": ("CudaSharedMemoryUnregister", "r"),
}
LOCAL = {"close", "register_plugin", "plugin", "unregister_plugin"}
TOKENS = "caller invoke,read caller-token-0123456\nkeeper manage keeper-token-0123456\n"
LIMIT_BYTES = 2 * 1024 * 1024


def store_at(folder):
    store = folder / "store"
    (store / "en").mkdir(parents=True)
    artifacts = PROJECT / "artifacts" / "en"
    for target in TARGETS:
        name = "DocSim.tar.gz" if target == ODD else target.removeprefix("en/")
        shutil.copy(artifacts / name, store / target)
    (store / "broken.tar.gz").write_bytes(b"none")
    return str(store)


def place_in(endpoint):
    endpoint.wait_for_log("gRPC is answered at")
    return re.findall(r"gRPC is answered at (\S+)", endpoint.log)[0]


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    scratch = tmp_path_factory.mktemp("endpoint")
    settings = {"MME_GRPC_PORT": "0", "MME_MAX_BODY_BYTES": str(LIMIT_BYTES)}
    with running_endpoint(store_at(scratch), scratch, settings) as running:
        yield running


@pytest.fixture
def client(endpoint):
    with InferenceServerClient(place_in(endpoint)) as made:
        yield made


def texts(name, *elements, kind=InferInput):
    """An input of texts."""
    sent = kind(name, [len(elements)], "BYTES")
    sent.set_data_from_numpy(np.array(elements, object))
    return sent


PAIR = [texts("text1", TEXT, TEXT), texts("text2", OTHER, TEXT)]


def refusal(work, *given, **more):
    """The status and the text of what the client raises."""
    with pytest.raises(InferenceServerException) as error:
        work(*given, **more)
    return (error.value.status() or "").removeprefix("StatusCode."), error.value.message()


def over_http(endpoint, target, inputs, **more):
    with HttpClient(endpoint.url.removeprefix("http://")) as client:
        return client.infer(target, inputs, **more)


def test_every_method_of_the_client_is_tried():
    methods = {name for name, _ in inspect.getmembers(InferenceServerClient, inspect.isfunction)}
    assert {name for name in methods if not name.startswith("_")} == TRIED | {*REFUSED} | LOCAL


def test_the_start_says_where_it_is(endpoint):
    assert f"is answered by gRPC too, at {place_in(endpoint)}." in "".join(endpoint.out_lines)


def test_the_server_is_there(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    metadata = client.get_server_metadata()
    assert metadata.name == "mme"
    assert "statistics" in metadata.extensions


def test_a_model_tells_of_itself_before_it_is_loaded(client):
    client.unload_model(ODD)
    assert not client.is_model_ready(ODD)
    metadata = client.get_model_metadata(ODD, "1")
    assert (metadata.name, list(metadata.versions)) == (ODD, ["1"])
    assert [each.name for each in metadata.inputs] == ["text1", "text2"]
    [similarity] = client.get_model_config(ODD).config.output
    assert (similarity.name, list(similarity.dims)) == ("similarity", [-1])
    assert not client.is_model_ready(ODD)


def test_models_are_loaded_and_unloaded(client):
    client.load_model(ODD)
    assert client.is_model_ready(ODD)
    assert not client.is_model_ready(ODD, "2")
    index = {each.name: each for each in client.get_model_repository_index().models}
    assert set(index) == {*TARGETS, "broken.tar.gz"}
    assert index[ODD].state == "READY"
    client.unload_model(ODD)
    assert not client.is_model_ready(ODD)
    index = {each.name: each for each in client.get_model_repository_index().models}
    assert index[ODD].state == "UNAVAILABLE"


def test_what_is_no_model_is_refused(client):
    for work in (client.get_model_metadata, client.load_model, client.unload_model):
        code, said = refusal(work, "none.tar.gz")
        assert (code, "none.tar.gz" in said) == ("NOT_FOUND", True)
    code, said = refusal(client.load_model, "broken.tar.gz")
    assert (code, "was refused" in said) == ("INVALID_ARGUMENT", True)
    assert not client.is_model_ready("none.tar.gz")
    assert refusal(client.get_model_metadata, DOCSIM, "7")[0] == "NOT_FOUND"
    code, said = refusal(client.load_model, DOCSIM, config="{}")
    assert (code, "'config' is not possible" in said) == ("INVALID_ARGUMENT", True)


@pytest.mark.parametrize("coding", [None, "gzip", "deflate"])
def test_answers_are_those_of_http(client, endpoint, coding):
    result = client.infer(
        DOCSIM,
        PAIR,
        request_id="7",
        outputs=[InferRequestedOutput("similarity")],
        compression_algorithm=coding,
    )
    pair = [texts("text1", TEXT, TEXT, kind=HttpInput), texts("text2", OTHER, TEXT, kind=HttpInput)]
    same = over_http(endpoint, DOCSIM, pair)
    assert result.as_numpy("similarity").tolist() == same.as_numpy("similarity").tolist()
    assert (result.get_response().model_name, result.get_response().id) == (DOCSIM, "7")
    parameters = {"max_count": 2}
    result = client.infer(KEYPHRASES, [texts("text", TEXT, OTHER)], parameters=parameters)
    same = over_http(
        endpoint, KEYPHRASES, [texts("text", TEXT, OTHER, kind=HttpInput)], parameters=parameters
    )
    assert result.as_numpy("keyphrases").tolist() == same.as_numpy("keyphrases").tolist()


def test_requests_are_answered_side_by_side(client):
    def similarity(_):
        return client.infer(DOCSIM, PAIR).as_numpy("similarity").tolist()

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(similarity, range(80)))
    assert answers == [answers[0]] * 80
    done: queue.Queue[tuple[Any, Any]] = queue.Queue()
    for _ in range(5):
        client.async_infer(DOCSIM, PAIR, lambda result, error: done.put((result, error)))
    for _ in range(5):
        result, error = done.get(timeout=30)
        assert error is None
        assert result.as_numpy("similarity").tolist() == answers[0]


def test_a_stream_answers_in_order_and_names_what_failed(client):
    done: queue.Queue[tuple[Any, Any]] = queue.Queue()
    client.start_stream(lambda result, error: done.put((result, error)))
    for number, inputs in enumerate((PAIR, PAIR[:1], PAIR)):
        client.async_stream_infer(DOCSIM, inputs, request_id=str(number))
    found = [done.get(timeout=30) for _ in range(3)]
    client.stop_stream()
    assert [result.get_response().id for result, error in found if error is None] == ["0", "2"]
    assert "The input text2 is missing" in found[1][1].message()


def test_what_is_off_with_tensors_is_told(client):
    def said(*given, **more):
        code, text = refusal(client.infer, *given, **more)
        assert code == "INVALID_ARGUMENT"
        return text

    assert "The input text2 is missing" in said(DOCSIM, PAIR[:1])
    wrong = InferInput("text", [1], "FP32")
    wrong.set_data_from_numpy(np.zeros(1, np.float32))
    assert "The input text is BYTES, not FP32" in said(KEYPHRASES, [wrong])
    shared = InferInput("text", [1], "BYTES")
    shared.set_shared_memory("region", 1)
    assert "shared memory, which is not" in said(KEYPHRASES, [shared])
    counted = InferRequestedOutput("similarity", class_count=1)
    assert "classification" in said(DOCSIM, PAIR, outputs=[counted])
    assert "Unknown key 'topk'" in said(SEARCH, [texts("claim", TEXT)], parameters={"topk": 1})


def test_bodies_are_as_large_as_over_http_and_no_larger(client):
    many = [TEXT] * (LIMIT_BYTES // 3 // len(TEXT))
    result = client.infer(DOCSIM, [texts("text1", *many), texts("text2", *many)])
    assert result.as_numpy("similarity").shape == (len(many),)
    for factor in (1, 8):
        sent = [texts("text", "a" * (factor * LIMIT_BYTES))]
        assert refusal(client.infer, KEYPHRASES, sent)[0] == "RESOURCE_EXHAUSTED"


def test_contents_in_the_message_are_read_as_well(endpoint):
    with grpc.insecure_channel(place_in(endpoint)) as channel:
        call = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            request_serializer=service_pb2.ModelInferRequest.SerializeToString,
            response_deserializer=service_pb2.ModelInferResponse.FromString,
        )
        sent = service_pb2.ModelInferRequest(model_name=KEYPHRASES)
        given = sent.inputs.add(name="text", datatype="BYTES", shape=[1])
        given.contents.bytes_contents.append(TEXT.encode())
        [raw] = call(sent, timeout=30).raw_output_contents
    assert json.loads(raw[4:])["keyphrases"]


@pytest.mark.parametrize("name", REFUSED)
def test_what_triton_has_besides_is_refused_by_name(client, name):
    called, *given = REFUSED[name]
    code, said = refusal(getattr(client, name), *given)
    assert code == "UNIMPLEMENTED"
    assert said.startswith(f"This endpoint has no {called};")


def test_statistics_count_requests(client):
    [before] = client.get_inference_statistics(DOCSIM).model_stats
    client.infer(DOCSIM, PAIR)
    refusal(client.infer, DOCSIM, PAIR[:1])
    [after] = client.get_inference_statistics(DOCSIM, "1").model_stats
    assert after.inference_count == before.inference_count + 1
    assert after.inference_stats.fail.count == before.inference_stats.fail.count + 1
    assert DOCSIM in {each.name for each in client.get_inference_statistics().model_stats}


def test_requests_are_logged_and_counted_as_over_http(client, endpoint):
    client.infer(DOCSIM, PAIR)
    endpoint.wait_for_log(f"gRPC /v2/models/{DOCSIM}/infer 200")
    metrics = requests.get(f"{endpoint.url}/metrics", timeout=30).text
    assert re.search(
        r'mme_http_requests_total\{method="gRPC",route="/v2/models/\{target...\}/infer",'
        r'status="200"\} [1-9]',
        metrics,
    )


@pytest.mark.parametrize("way", ["cancel", "deadline"])
def test_who_leaves_is_waited_for_no_more(client, endpoint, way):
    sent = [texts("text", *[f"{TEXT} {OTHER}"] * 1000)]
    seen = endpoint.log.count("/infer 499")
    if way == "deadline":
        assert refusal(client.infer, KEYPHRASES, sent, client_timeout=0.3)[0] == "DEADLINE_EXCEEDED"
    else:
        gone = threading.Event()
        asked = client.async_infer(KEYPHRASES, sent, lambda result, error: gone.set())
        eventually(
            lambda: requests.get(f"{endpoint.url}/status", timeout=9).json()["queue"]["in_flight"],
            lambda in_flight: in_flight == 1,
        )
        asked.cancel()
        assert gone.wait(10)
    eventually(lambda: endpoint.log.count("/infer 499"), lambda count: count > seen)
    assert client.infer(DOCSIM, PAIR).as_numpy("similarity")[1] == 1


def test_callers_need_tokens_where_http_asks_for_them(tmp_path):
    tokens = tmp_path / "tokens"
    tokens.touch(0o600)
    tokens.write_text(TOKENS)
    settings = {"MME_GRPC_PORT": "0", "MME_TOKENS_FILE": str(tokens)}
    with (
        running_endpoint(store_at(tmp_path), tmp_path, settings) as endpoint,
        InferenceServerClient(place_in(endpoint)) as client,
    ):
        assert client.is_server_ready()
        assert refusal(client.infer, DOCSIM, PAIR)[0] == "UNAUTHENTICATED"
        caller = {"authorization": "Bearer caller-token-0123456"}
        assert client.infer(DOCSIM, PAIR, headers=caller).as_numpy("similarity")[1] == 1
        assert refusal(client.load_model, DOCSIM, headers=caller)[0] == "PERMISSION_DENIED"
        client.load_model(DOCSIM, headers={"authorization": "Bearer keeper-token-0123456"})
        began_s = time.monotonic()
        assert endpoint.stop() == 0
        assert time.monotonic() - began_s < 15
        assert not processes_with(str(tmp_path))
