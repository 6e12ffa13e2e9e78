"""The open inference protocol by gRPC: calls, refusals, callers, limits, cancellation."""

from __future__ import annotations

import asyncio
import json
import logging

import grpc
import numpy as np
import pytest
from tritonclient.grpc import InferInput
from tritonclient.grpc import service_pb2 as pb
from tritonclient.utils import InferenceServerException

from mme.access.limits import Limits
from mme.access.secret_file import Watched
from mme.access.tokens import Tokens, parse_tokens
from mme.core import errors
from mme.core.settings import Settings
from mme.gateway.gate import Gate
from mme.gateway.grpc import server
from tests.support.fake_engine import Answer, until, view
from tests.support.grpc_served import served_grpc

TENSORS = {
    "platform": "mme",
    "inputs": [{"name": "text", "datatype": "BYTES", "shape": [-1]}],
    "outputs": [{"name": "score", "datatype": "FP32", "shape": [-1]}],
}
NAME = "de/größe 1.tar.gz"
TYPE = "application/vnd.sagemaker-triton.binary+json"
SCORE = {"name": "score", "datatype": "FP32", "shape": [1], "parameters": {"binary_data_size": 4}}
HEAD = json.dumps({"model_name": NAME, "model_version": "1", "outputs": [SCORE]}).encode()
SCORED = Answer(
    headers={"content-type": f"{TYPE};json-header-size={len(HEAD)}"},
    body=HEAD + np.array([0.5], np.float32).tobytes(),
    target=NAME,
    version="v",
)
TOKENS = """
caller invoke caller-token-0123456
german invoke,manage german-token-0123456 targets=de/*
"""


def text(content="a text"):
    sent = InferInput("text", [1], "BYTES")
    sent.set_data_from_numpy(np.array([content], object))
    return sent


def infer(name=NAME, size=0, **more):
    """A request in its wire form."""
    given = pb.ModelInferRequest.InferInputTensor(name="text", datatype="BYTES", shape=[1])
    raw = (size or 6).to_bytes(4, "little") + (bytes(size) or b"a text")
    return pb.ModelInferRequest(model_name=name, inputs=[given], raw_input_contents=[raw], **more)


@pytest.fixture
async def rpc(settings, engine, bodies):
    engine.views[NAME] = view(NAME, details={"tensors": TENSORS})
    engine.answer = SCORED
    async with served_grpc(settings, engine, bodies) as running:
        yield running


async def refusal(awaitable):
    """Status and text of a call that fails."""
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await awaitable
    return error.value.code().name, error.value.details()


async def test_a_request_goes_to_its_model_and_its_tensors_come_back(rpc, engine):
    result = await rpc.client.infer(NAME, [text()], request_id="7", parameters={"top_k": 2})
    assert result.as_numpy("score").tolist() == [0.5]
    assert result.get_response().model_name == NAME
    [asked] = engine.asked
    size = int(asked.headers["Content-Type"].partition(";json-header-size=")[2])
    head, data = json.loads(asked.body[:size]), asked.body[size:]
    assert asked.model == NAME
    assert data == b"\6\0\0\0a text"
    assert head["id"] == "7"
    assert head["parameters"] == {"top_k": 2, "binary_data_output": True}
    assert head["inputs"] == [
        {
            "name": "text",
            "datatype": "BYTES",
            "shape": [1],
            "parameters": {"binary_data_size": len(data)},
        }
    ]


async def test_the_server_and_its_models_tell_of_themselves(rpc, engine):
    client = rpc.client
    assert await client.is_server_live()
    assert await client.is_server_ready()
    assert (await client.get_server_metadata()).name == "mme"
    assert await client.is_model_ready(NAME)
    assert not await client.is_model_ready(NAME, "2")
    assert not await client.is_model_ready("none")
    metadata = await client.get_model_metadata(NAME)
    assert (metadata.name, metadata.versions) == (NAME, ["1"])
    assert metadata.outputs[0].shape == [-1]
    config = (await client.get_model_config(NAME, as_json=True))["config"]
    assert config["input"] == [{"name": "text", "data_type": "TYPE_STRING", "dims": ["-1"]}]
    index = await client.get_model_repository_index()
    assert [(each.name, each.state) for each in index.models] == [(NAME, "READY")]
    engine.is_up = False
    assert not await client.is_server_ready()


async def test_models_are_loaded_and_unloaded(rpc, engine):
    await rpc.client.load_model("en/x")
    assert "en/x" in engine.views
    await rpc.client.unload_model("en/x")
    assert "en/x" not in engine.views
    with pytest.raises(InferenceServerException, match="'config' is not possible"):
        await rpc.client.load_model("en/x", config="{}")
    sent = pb.RepositoryModelLoadRequest(model_name="en/x")
    sent.parameters["file:1/a"].bytes_param = b"\xff"
    assert "'file:1/a' is not possible" in (await refusal(rpc.call("RepositoryModelLoad", sent)))[1]
    assert "en/x" not in engine.views


async def test_statistics_are_of_one_model_or_of_all(rpc, engine):
    engine.observed.statistics.answered(NAME, "warm", 200, 0.5)
    for name in (NAME, ""):
        [one] = (await rpc.client.get_inference_statistics(name)).model_stats
        assert (one.name, one.inference_stats.success.count) == (NAME, 1)
        assert one.inference_stats.success.ns == 500_000_000


@pytest.mark.parametrize("name", ["a/config", "stats", "a/versions/1", "a/ready", "a?b=c%2F"])
async def test_a_name_is_a_name_whatever_it_looks_like(rpc, engine, name):
    engine.views[name] = view(name, details={"tensors": TENSORS})
    assert (await rpc.client.get_model_metadata(name)).name == name
    await rpc.client.infer(name, [text()])
    assert engine.asked[0].model == name
    assert await rpc.client.is_model_ready(name)


async def test_what_triton_has_besides_is_refused_by_name(rpc):
    client = rpc.client
    for work, name in (
        (client.get_system_shared_memory_status(), "SystemSharedMemoryStatus"),
        (client.register_cuda_shared_memory("r", b"a2V5", 0, 1), "CudaSharedMemoryRegister"),
        (client.get_trace_settings(), "TraceSetting"),
        (client.update_log_settings({"log_info": True}), "LogSettings"),
    ):
        with pytest.raises(InferenceServerException) as error:
            await work
        assert error.value.status() == "StatusCode.UNIMPLEMENTED"
        assert error.value.message().startswith(f"This endpoint has no {name};")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.TargetNotFound("m", "s3://b/m"), "NOT_FOUND"),
        (errors.ArtifactRejected("s3://b/m", "bad"), "INVALID_ARGUMENT"),
        (errors.StoreUnavailable("s3://b", "away"), "UNAVAILABLE"),
        (errors.ModelTimedOut("m", 1.0), "DEADLINE_EXCEEDED"),
        (errors.ModelFailed("m", 0, "died"), "INTERNAL"),
        (errors.ModelFailed("m", 507, "no room"), "RESOURCE_EXHAUSTED"),
        (errors.CodeNotAllowed("m"), "PERMISSION_DENIED"),
        (errors.ModelNotReady("m", "still loading"), "UNAVAILABLE"),
        (errors.Busy("m", 9), "UNAVAILABLE"),
        (errors.ShuttingDown(), "UNAVAILABLE"),
        (RuntimeError("a secret"), "INTERNAL"),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, Exception) else "",
)
async def test_every_error_has_a_status_and_our_words(rpc, engine, error, code):
    engine.failure = error
    found, said = await refusal(rpc.call("ModelInfer", infer()))
    assert found == code
    assert said
    assert "secret" not in said


async def test_what_a_model_says_is_wrong_is_the_text_however_long(rpc, engine):
    said = json.dumps({"message": "no ünput " + "ä" * 100_000}).encode()
    engine.answer = Answer(status=400, body=said)
    code, found = await refusal(rpc.call("ModelInfer", infer()))
    assert code == "INVALID_ARGUMENT"
    assert found.startswith("no ünput ääää")
    engine.answer = Answer(body=b'["ok"]')
    code, found = await refusal(rpc.call("ModelInfer", infer()))
    assert (code, found) == (
        "INTERNAL",
        "The model's answer is not one in tensors: ask it over HTTP",
    )


async def test_which_artifact_answered_is_in_the_metadata(rpc):
    call = rpc.channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
    sent = call(infer().SerializeToString())
    await sent
    told = dict(await sent.trailing_metadata())
    assert told["x-mme-model-version"] == "v"
    assert len(told["x-amzn-requestid"]) == 36


@pytest.mark.parametrize("name", ["ModelInfer", "ModelMetadata", "RepositoryModelLoad"])
async def test_a_call_that_names_no_model_is_refused(rpc, name):
    kind = {"ModelInfer": pb.ModelInferRequest, "ModelMetadata": pb.ModelMetadataRequest}
    message = kind.get(name, pb.RepositoryModelLoadRequest)()
    code, said = await refusal(rpc.call(name, message))
    assert (code, said) == ("INVALID_ARGUMENT", "The request names no model")


async def test_bytes_that_are_no_message_are_refused(rpc):
    call = rpc.channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
    code, said = await refusal(call(b"\xff\xff\xff"))
    assert (code, said) == ("INVALID_ARGUMENT", "What was sent is no ModelInferRequest")
    call = rpc.channel.unary_unary("/inference.GRPCInferenceService/Nothing")
    assert (await refusal(call(b"")))[0] == "UNIMPLEMENTED"


async def test_bodies_have_the_limits_they_have_over_http(rpc, settings, bodies):
    limit = settings.max_body_bytes
    code, said = await refusal(rpc.call("ModelInfer", infer(size=limit)))
    assert code == "RESOURCE_EXHAUSTED"
    assert f"larger than the {limit} bytes" in said
    code, said = await refusal(rpc.call("ModelInfer", infer(size=limit + 100_000)))
    assert code == "RESOURCE_EXHAUSTED"
    zeros = infer(size=20 * limit)
    code, said = await refusal(rpc.call("ModelInfer", zeros, compression=grpc.Compression.Gzip))
    assert code == "RESOURCE_EXHAUSTED"
    assert await rpc.call("ModelInfer", infer(size=limit - 10_000))
    bodies.take(bodies.limit_bytes)
    code, said = await refusal(rpc.call("ModelInfer", infer()))
    assert (code, bodies.held_bytes) == ("UNAVAILABLE", bodies.limit_bytes)


async def test_a_large_answer_counts_until_it_is_written(rpc, engine, bodies):
    data = bytes(400_000)
    head = HEAD.replace(b": 4}", b": 400000}").replace(b"[1]", b"[100000]")
    engine.answer = Answer(
        headers={"content-type": f"{TYPE};json-header-size={len(head)}"}, body=head + data
    )
    result = await rpc.client.infer(NAME, [text()])
    assert result.as_numpy("score").nbytes == 400_000
    await until(lambda: not bodies.held_bytes)


@pytest.mark.parametrize("ends", ["cancel", "deadline"])
async def test_work_ends_with_its_caller(rpc, engine, bodies, ends):
    engine.is_hanging = True
    call = rpc.channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
    timeout_s = 0.3 if ends == "deadline" else None
    asked = call(infer().SerializeToString(), timeout=timeout_s)
    waiting = asyncio.ensure_future(asked)
    await engine.begun.wait()
    if ends == "cancel":
        asked.cancel()
    async with asyncio.timeout(5):
        await engine.cancelled.wait()
    with pytest.raises((asyncio.CancelledError, grpc.aio.AioRpcError)):
        await waiting
    await until(lambda: [each.status for each in rpc.counts.counts()] == [499])
    assert not bodies.held_bytes


async def test_a_stream_answers_each_request_and_says_which_failed(rpc):
    async def requests():
        for number, name in enumerate((NAME, "m/none", NAME)):
            yield {"model_name": name, "inputs": [text()], "request_id": str(number)}

    answers = [each async for each in rpc.client.stream_infer(requests())]
    assert [error for _, error in answers] == [None] * 3
    assert [result.as_numpy("score").tolist() for result, _ in answers] == [[0.5]] * 3
    final = answers[0][0].get_response().parameters["triton_final_response"]
    assert final.bool_param


async def test_a_request_of_a_stream_that_fails_ends_nothing_else(rpc, engine):
    call = rpc.channel.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer")()
    engine.failure = errors.Busy("m", 9)
    await call.write(infer(id="a").SerializeToString())
    answer = pb.ModelStreamInferResponse.FromString(await call.read())
    assert "is busy" in answer.error_message
    assert answer.infer_response.id == "a"
    engine.failure = None
    await call.write(infer().SerializeToString())
    answer = pb.ModelStreamInferResponse.FromString(await call.read())
    assert not answer.error_message
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF


async def test_of_too_many_messages_the_one_that_takes_longest_is_waited_for_no_more(
    settings, engine, bodies, monkeypatch
):
    monkeypatch.setattr(server, "LEAST_READ", 2)
    engine.answer = SCORED
    async with served_grpc(settings, engine, bodies) as rpc:
        stream = rpc.channel.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer")
        waiting = []
        for _ in range(3):
            waiting.append(stream())
            await waiting[-1].write(infer().SerializeToString())
            assert await waiting[-1].read()
        code, said = await refusal(waiting[0].read())
        assert (code, said) == ("UNAVAILABLE", "No message came in time")
        for call in waiting[1:]:
            await call.write(infer().SerializeToString())
            assert await call.read()
        more = [stream() for _ in range(2)]
        await asyncio.gather(*(call.write(infer().SerializeToString()) for call in more))
        assert all(await asyncio.gather(*(call.read() for call in more)))
        for call in waiting[1:]:
            assert (await refusal(call.read()))[0] == "UNAVAILABLE"
        for call in more:
            call.cancel()


async def test_there_are_so_many_connections_and_no_more(engine, bodies):
    async with served_grpc(Settings(max_connections=8), engine, bodies) as rpc:
        port = int(rpc.server.place.rpartition(":")[2])
        opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        try:
            greetings = [await reader.read(9) for reader, _ in opened]
        finally:
            for _, writer in opened:
                writer.close()
    assert [bool(each) for each in greetings] == [True, True, False]


async def test_calls_are_logged_and_counted_as_requests_are(rpc, caplog):
    caplog.set_level(logging.INFO, "mme.gateway.access")
    await rpc.client.infer(NAME, [text()])
    [one] = rpc.counts.counts()
    assert (one.method, one.form, one.status) == ("gRPC", "/v2/models/{target...}/infer", 200)


def gate_of(folder, *, tokens=TOKENS, limits=None):
    path = folder / "tokens"
    path.touch(0o600)
    path.write_text(tokens)
    return Gate(Tokens(Watched(path, parse_tokens)), None, limits, body_limit_bytes=1 << 20)


def bearer(name):
    return (("authorization", f"Bearer {name}-token-0123456"),)


async def test_callers_are_let_in_by_their_tokens(settings, engine, bodies, tmp_path):
    engine.answer = SCORED
    async with served_grpc(settings, engine, bodies, gate=gate_of(tmp_path)) as rpc:
        assert await rpc.client.is_server_ready()
        code, said = await refusal(rpc.call("ModelInfer", infer()))
        assert code == "UNAUTHENTICATED"
        assert "Bearer TOKEN" in said
        code, _ = await refusal(rpc.call("ModelInfer", infer(), metadata=bearer("nobody")))
        assert code == "UNAUTHENTICATED"
        twice = bearer("caller") * 2
        assert (await refusal(rpc.call("ModelInfer", infer(), metadata=twice)))[0] == code
        assert await rpc.call("ModelInfer", infer(), metadata=bearer("caller"))
        assert await rpc.call("ModelInfer", infer(), metadata=bearer("german"))
        code, _ = await refusal(rpc.call("ModelInfer", infer("en/m"), metadata=bearer("german")))
        assert code == "PERMISSION_DENIED"
        load = pb.RepositoryModelLoadRequest(model_name=NAME)
        code, _ = await refusal(rpc.call("RepositoryModelLoad", load, metadata=bearer("caller")))
        assert code == "PERMISSION_DENIED"
        assert await rpc.call("RepositoryModelLoad", load, metadata=bearer("german")) is not None
    assert len(engine.asked) == 2


async def test_a_signature_lets_nobody_in(settings, engine, bodies, tmp_path):
    gate = gate_of(tmp_path)
    async with served_grpc(settings, engine, bodies, gate=gate) as rpc:
        signed = (("authorization", "AWS4-HMAC-SHA256 Credential=A/20260101/r/s/aws4_request"),)
        code, said = await refusal(rpc.call("ModelInfer", infer(), metadata=signed))
    assert code == "UNAUTHENTICATED"
    assert said.startswith("Calls of gRPC are not signed")


async def test_a_caller_has_its_limits_with_http_together(settings, engine, bodies, tmp_path):
    engine.answer = SCORED
    gate = gate_of(tmp_path, limits=Limits(1.0, clock=lambda: 0.0))
    async with served_grpc(settings, engine, bodies, gate=gate) as rpc:
        assert await rpc.call("ModelInfer", infer(), metadata=bearer("caller"))
        code, _ = await refusal(rpc.call("ModelInfer", infer(), metadata=bearer("caller")))
        assert code == "RESOURCE_EXHAUSTED"
        assert await rpc.call("ModelInfer", infer(), metadata=bearer("german"))


async def test_management_is_not_answered_where_it_has_a_port(engine, bodies):
    settings = Settings(management_port=8999)
    async with served_grpc(settings, engine, bodies) as rpc:
        code, said = await refusal(
            rpc.call("RepositoryModelLoad", pb.RepositoryModelLoadRequest(model_name="m"))
        )
    assert code == "NOT_FOUND"
    assert "MME_MANAGEMENT_PORT=8999" in said
