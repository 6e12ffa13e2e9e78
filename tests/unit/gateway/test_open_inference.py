"""The open inference protocol over HTTP: what goes to models, what comes back, what is refused."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from dataclasses import replace

import pytest

from mme.core import errors
from mme.core.statistics import LEFT
from mme.core.timing import Timing
from mme.endpoints.serving import Serving
from mme.gateway import make_app
from mme.gateway.open_inference import open_inference_routes
from mme.gateway.open_inference.compressing import coding_in
from mme.gateway.open_inference.names import divided
from tests.support.fake_engine import Answer, served, view
from tests.support.gated import ask, token

TENSORS = {
    "platform": "mme",
    "inputs": [{"name": "text", "datatype": "BYTES", "shape": [-1]}],
    "outputs": [{"name": "score", "datatype": "FP32", "shape": [-1]}],
}
TYPE = "application/vnd.sagemaker-triton.binary+json"
SIZED = {"content-type": f"{TYPE};json-header-size=2"}
NAME = "de/größe 1.tar.gz"
PATH = "/v2/models/de/gr%C3%B6%C3%9Fe%201.tar.gz"
INFER = ("POST", "/v2/models/m.tar.gz/infer")


def routes_of(settings, engine):
    serving = Serving(settings, engine)
    return open_inference_routes(settings, engine, serving, lambda key: key == "sample.tar.gz")


@pytest.fixture
async def protocol(settings, engine, bodies):
    engine.views[NAME] = view(NAME, details={"tensors": TENSORS})
    serving, more = Serving(settings, engine), routes_of(settings, engine)
    async with served(make_app(settings, engine, serving, bodies, more=more)) as running:
        yield running


async def error_of(protocol, method, path, **more):
    """Status and text of an error, which has the protocol's form."""
    status, headers, text = await ask(protocol, (method, path), **more)
    assert headers["Content-Type"] == "application/json"
    assert list(json.loads(text)) == ["error"]
    return status, json.loads(text)["error"]


async def got(protocol, method, path, **more):
    status, _, text = await ask(protocol, (method, path), **more)
    assert status == 200, text
    return json.loads(text) if text else None


async def test_the_server_says_what_it_is_and_that_it_lives(protocol, engine):
    server = await got(protocol, "GET", "/v2")
    assert server["name"] == "mme"
    assert "binary_tensor_data" in server["extensions"]
    assert await got(protocol, "GET", "/v2/health/live") is None
    assert await got(protocol, "GET", "/v2/health/ready") is None
    engine.is_up = False
    assert (await error_of(protocol, "GET", "/v2/health/ready"))[0] == 503


@pytest.mark.parametrize("version", ["", "/versions/1"])
async def test_a_model_tells_its_tensors_by_whatever_name_it_has(protocol, version):
    assert await got(protocol, "GET", PATH + version) == {
        "name": NAME, "versions": ["1"], **TENSORS,
    }  # fmt: skip
    config = await got(protocol, "GET", f"{PATH}{version}/config")
    assert config["name"] == NAME
    assert config["max_batch_size"] == 0
    assert config["input"] == [{"name": "text", "data_type": "TYPE_STRING", "dims": [-1]}]
    assert config["output"] == [{"name": "score", "data_type": "TYPE_FP32", "dims": [-1]}]


async def test_a_model_without_tensors_is_refused_in_words(protocol, engine):
    engine.views["m.tar.gz"] = view("m.tar.gz")
    for body in (b"", b"[]", b'{"inputs": []}'):
        engine.answer = Answer(body=body)
        status, text = await error_of(protocol, "GET", "/v2/models/m.tar.gz")
        assert status == 400
        assert "says nothing of tensors" in text


async def test_a_model_that_was_admitted_without_its_tensors_is_asked_for_them(protocol, engine):
    engine.views["m.tar.gz"] = view("m.tar.gz")
    engine.answer = Answer(body=json.dumps(TENSORS).encode())
    assert (await got(protocol, "GET", "/v2/models/m.tar.gz"))["inputs"] == TENSORS["inputs"]
    assert engine.asked[0].headers == {"Content-Type": "application/vnd.mme.signature+json"}


@pytest.mark.parametrize(("state", "status"), [("ready", 200), ("on-disk", 400), ("in-store", 400)])
async def test_a_model_is_ready_when_it_is_in_memory(protocol, engine, state, status):
    engine.views["m.tar.gz"] = view("m.tar.gz", state)
    assert (await ask(protocol, ("GET", "/v2/models/m.tar.gz/ready")))[0] == status
    assert (await error_of(protocol, "GET", "/v2/models/none.tar.gz/ready"))[0] == 404
    assert (await error_of(protocol, "GET", "/v2/models/m.tar.gz/versions/2/ready"))[0] == 404


async def test_a_request_goes_to_its_model_as_bytes(protocol, engine):
    engine.answer = Answer(headers=SIZED, body=b"{}\0\1", target="t", version="v")
    headers = {"Inference-Header-Content-Length": "3", "Content-Type": "text/plain"}
    sent = ("POST", f"{PATH}/versions/1/infer")
    status, back, text = await ask(protocol, sent, headers=headers, data=b"[1]\0\0")
    assert (status, text) == (200, "{}\0\1")
    assert back["Content-Type"] == "application/octet-stream"
    assert back["Inference-Header-Content-Length"] == "2"
    assert back["X-Mme-Model-Version"] == "v"
    [asked] = engine.asked
    assert (asked.model, asked.body) == (NAME, b"[1]\0\0")
    assert asked.headers["Content-Type"] == f"{TYPE};json-header-size=3"
    assert asked.headers["X-Mme-Model-Name"] == PATH.removeprefix("/v2/models/")
    assert engine.terms.request_id == back["x-amzn-RequestId"]


@pytest.mark.hostile("isolation")
@pytest.mark.parametrize("size", ["", "x", "-1", "2;a=b", "2\r\nX-Own: 1", "\u0669"])
async def test_a_size_of_the_json_that_is_none_stays_with_the_model(protocol, engine, size):
    said = f"{TYPE};json-header-size={size}"
    engine.answer = Answer(headers={"content-type": said}, body=b"{}")
    status, back, _ = await ask(protocol, ("POST", f"{PATH}/infer"), data=b"{}")
    assert status == 200
    assert back["Content-Type"].startswith(TYPE)
    assert "Inference-Header-Content-Length" not in back
    assert "X-Own" not in back


async def test_json_goes_without_a_size_and_comes_back_as_json(protocol, engine):
    engine.answer = Answer(body=b"{}", target="sample.tar.gz")
    status, back, _ = await ask(protocol, INFER, data=b"[1]")
    assert status == 200
    assert back["Content-Type"] == "application/json"
    assert back["X-Mme-Sample"] == "true"
    assert "Inference-Header-Content-Length" not in back
    assert engine.asked[0].headers["Content-Type"] == TYPE


@pytest.mark.parametrize("length", ["-1", "x", "1.0", "99999999999", "٣", ""])
async def test_a_length_that_is_none_is_refused(protocol, length):
    headers = {"Inference-Header-Content-Length": length}
    status, text = await error_of(protocol, *INFER, headers=headers, data=b"")
    assert status == 400
    assert "must be a number of bytes" in text


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip), ("deflate", zlib)])
async def test_bodies_are_packed_both_ways(protocol, engine, coding, pack):
    engine.answer = Answer(headers=SIZED, body=b"{}" + bytes(200_000))
    headers = {"Content-Encoding": coding, "Accept-Encoding": coding}
    async with protocol.client.post(
        INFER[1], headers=headers, data=pack.compress(b"[1]"), auto_decompress=False
    ) as answer:
        packed = await answer.read()
        assert answer.headers["Content-Encoding"] == coding
        assert answer.headers["Inference-Header-Content-Length"] == "2"
    assert len(packed) < 2000
    assert pack.decompress(packed) == engine.answer.body
    assert engine.asked[0].body == b"[1]"


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("", ""),
        ("identity", ""),
        ("br", ""),
        ("gzip, deflate, br", "gzip"),
        ("GZIP;q=0.5", "gzip"),
        ("gzip;q=0, deflate", "deflate"),
        ("gzip; q=0.000", ""),
        ("gzip;q=x", "gzip"),
    ],
)
def test_the_coding_is_one_the_client_accepts(accepted, coding):
    assert coding_in(accepted) == coding


async def test_a_small_answer_is_not_packed(protocol):
    _, back, text = await ask(protocol, INFER, headers={"Accept-Encoding": "gzip"}, data=b"")
    assert text == '["ok"]'
    assert "Content-Encoding" not in back


async def test_what_a_model_says_is_wrong_is_the_error(protocol, engine):
    said = json.dumps({"type": "BadInput", "message": "no ünput", "status": 400}).encode()
    engine.answer = Answer(status=400, body=said)
    assert await error_of(protocol, *INFER) == (400, "no ünput")
    for body, text in ((b"plain", "plain"), (b"[1]", "[1]"), (b'{"message": 1}', '{"message": 1}')):
        engine.answer = Answer(status=507, body=body)
        assert await error_of(protocol, *INFER) == (507, text)
    engine.answer = Answer(status=302, body=b"elsewhere")
    assert (await error_of(protocol, *INFER))[0] == 500


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.TargetNotFound("m.tar.gz", "s3://b/m.tar.gz"), 404),
        (errors.ArtifactRejected("s3://b/m.tar.gz", "bad"), 400),
        (errors.StoreUnavailable("s3://b", "away"), 503),
        (errors.ModelTimedOut("m.tar.gz", 1.0), 504),
        (errors.ModelFailed("m.tar.gz", 0, "died"), 500),
        (errors.ModelNotReady("m.tar.gz", "still loading"), 429),
        (errors.Busy("m.tar.gz", 9), 503),
        (errors.ShuttingDown(), 503),
        (RuntimeError("a secret"), 500),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, Exception) else "",
)
async def test_every_error_has_the_protocols_form(protocol, engine, error, status):
    engine.failure = error
    found, text = await error_of(protocol, *INFER)
    assert found == status
    assert text
    assert "secret" not in text
    # In the words that clients of Triton look for.
    assert text.startswith("Request for unknown model") is (status == 404)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/", 404),
        ("GET", "/v2/nothing", 404),
        ("PUT", "/v2/models/m.tar.gz", 405),
        ("POST", "/v2/health/live", 405),
        ("POST", "/v2/models/../infer", 400),
    ],
)
async def test_paths_that_are_none_have_it_too(protocol, method, path, status):
    raw = f"{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    head, _, text = (await protocol.raw(raw.encode())).decode().partition("\r\n\r\n")
    assert int(head.split()[1]) == status
    assert list(json.loads(text)) == ["error"]


async def test_other_surfaces_keep_their_form(protocol):
    status, _, text = await ask(protocol, ("GET", "/v2x"))
    assert status == 404
    assert list(json.loads(text)) == ["Message"]


async def test_a_body_that_is_too_large_is_refused(protocol, settings):
    data = io.BytesIO(bytes(settings.max_body_bytes + 1))
    status, text = await error_of(protocol, *INFER, data=data)
    assert status == 413
    assert "larger than" in text


async def test_generate_asks_for_a_text_and_streams_it_as_an_event(protocol, engine):
    engine.answer = Answer(body=b'{"text_output": "a"}')
    sent = {"text_input": "b"}
    assert await got(protocol, "POST", f"{PATH}/generate", json=sent) == {"text_output": "a"}
    asked = ("POST", f"{PATH}/versions/1/generate_stream")
    status, back, text = await ask(protocol, asked, json=sent)
    assert (status, text) == (200, 'data: {"text_output": "a"}\n\n')
    assert back["Content-Type"] == "text/event-stream"
    for each in engine.asked:
        assert each.headers["Content-Type"] == "application/vnd.mme.generate+json"
        assert json.loads(each.body) == sent
    engine.answer = Answer(status=400, body=b'{"message": "no text"}')
    assert await error_of(protocol, *asked) == (400, "no text")
    assert await error_of(protocol, "POST", f"{PATH}/generate") == (400, "no text")


async def test_requests_that_were_computed_at_once_are_one_execution(protocol, engine):
    statistics = engine.observed.statistics
    for together in (1, *[3] * 3, *[49] * 49):
        statistics.answered(NAME, "warm", 200, 0.5, Timing(together=together))
    statistics.answered(NAME, "warm", 400, 0.5, Timing(together=49))
    [told] = (await got(protocol, "GET", f"{PATH}/stats"))["model_stats"]
    assert (told["inference_count"], told["execution_count"]) == (53, 3)


async def test_statistics_count_what_models_have_done(protocol, engine):
    statistics = engine.observed.statistics
    timing = Timing(queue_s=0.125, model_s=0.25)
    statistics.answered(NAME, "warm", 200, 0.5, timing)
    statistics.answered(NAME, "warm", 400, 0.25)
    statistics.failed("m.tar.gz", "cold", LEFT, 1.0, is_known=True)
    [one] = (await got(protocol, "GET", f"{PATH}/stats"))["model_stats"]
    assert (one["name"], one["version"]) == (NAME, "1")
    assert one["inference_stats"]["success"] == {"count": 1, "ns": 750_000_000}
    assert one["inference_stats"]["fail"]["count"] == 1
    assert one["inference_stats"]["queue"] == {"count": 1, "ns": 125_000_000}
    assert one["inference_stats"]["compute_infer"] == {"count": 1, "ns": 250_000_000}
    assert one["last_inference"] > 1_600_000_000_000
    found = (await got(protocol, "GET", "/v2/models/stats"))["model_stats"]
    assert {each["name"] for each in found} == {NAME, "m.tar.gz"}
    assert (await error_of(protocol, "GET", "/v2/models/none/stats"))[0] == 404


async def test_a_model_that_was_never_asked_has_counts_of_nothing(protocol):
    [one] = (await got(protocol, "GET", f"{PATH}/stats"))["model_stats"]
    assert one["last_inference"] == one["inference_count"] == 0


async def test_the_index_has_all_models_however_many_pages_they_fill(protocol, engine):
    engine.views = {f"m{n:04}.tar.gz": view(f"m{n:04}.tar.gz", "on-disk") for n in range(2500)}
    engine.views["z"] = replace(view("z"), error="it broke")
    found = await got(protocol, "POST", "/v2/repository/index", data=b"")
    assert len(found) == 2501
    assert found[0] == {
        "name": "m0000.tar.gz", "version": "1", "state": "UNAVAILABLE", "reason": "on-disk",
    }  # fmt: skip
    assert found[-1] == {"name": "z", "version": "1", "state": "READY", "reason": ""}
    ready = await got(protocol, "POST", "/v2/repository/index", json={"ready": True})
    assert ready == [found[-1]]
    engine.views.clear()
    assert await got(protocol, "POST", "/v2/repository/index") == []
    assert (await error_of(protocol, "POST", "/v2/repository/index", data=b"[]"))[0] == 400
    bad = await error_of(protocol, "POST", "/v2/repository/index", json={"ready": 1})
    assert bad == (400, "ready must be true or false")


async def test_models_are_loaded_and_unloaded(protocol, engine):
    path = "/v2/repository/models/de/x.tar.gz"
    assert await got(protocol, "POST", f"{path}/load", data=b"{}") is None
    assert "de/x.tar.gz" in engine.views
    sent = {"parameters": {"unload_dependents": False}}
    assert await got(protocol, "POST", f"{path}/unload", json=sent) is None
    assert "de/x.tar.gz" not in engine.views
    assert (await error_of(protocol, "POST", f"{path}/unload"))[0] == 404


@pytest.mark.parametrize("name", ["config", "file:1/model.onnx"])
async def test_a_model_is_loaded_as_its_artifact_is(protocol, engine, name):
    path = "/v2/repository/models/x.tar.gz/load"
    status, text = await error_of(protocol, "POST", path, json={"parameters": {name: "a"}})
    assert status == 400
    assert f"{name!r} is not possible" in text
    assert "x.tar.gz" not in engine.views


@pytest.mark.parametrize(
    ("method", "path", "what"),
    [
        ("GET", "/v2/systemsharedmemory/status", "shared memory"),
        ("POST", "/v2/systemsharedmemory/region/r/register", "shared memory"),
        ("POST", "/v2/cudasharedmemory/unregister", "CUDA shared memory"),
        ("GET", "/v2/trace/setting", "trace settings"),
        ("POST", "/v2/models/de/m.tar.gz/trace/setting", "trace settings"),
        ("GET", "/v2/models/de/m.tar.gz/trace/setting", "trace settings"),
        ("POST", "/v2/logging", "log settings"),
    ],
)
async def test_what_triton_has_besides_is_refused_by_name(protocol, method, path, what):
    status, text = await error_of(protocol, method, path)
    assert status == 400
    assert text.startswith(f"This endpoint has no {what};")


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}]
)
async def test_pages_of_other_sites_ask_nothing(protocol, engine, headers):
    for method, path in (INFER, ("GET", PATH), ("POST", "/v2/repository/index")):
        assert (await error_of(protocol, method, path, headers=headers))[0] == 403
    assert not engine.asked


def test_a_version_is_a_number_at_the_end_of_a_name():
    assert divided("a/b.tar.gz") == ("a/b.tar.gz", "1")
    assert divided("a/b.tar.gz/versions/23") == ("a/b.tar.gz", "23")
    assert divided("a/versions/7.tar.gz") == ("a/versions/7.tar.gz", "1")
    assert divided("/versions/1") == ("/versions/1", "1")


async def test_callers_are_let_in_for_the_models_their_tokens_name(gating, settings, engine):
    engine.views["de/m.tar.gz"] = view("de/m.tar.gz", details={"tensors": TENSORS})
    async with gating.start(more=routes_of(settings, engine)) as gated:

        async def status(name, method, path):
            return (await ask(gated, (method, path), headers=token(name)))[0]

        assert await status("german", "GET", "/v2/models/de/m.tar.gz/versions/1") == 200
        assert await status("german", "POST", "/v2/models/de/m.tar.gz/versions/1/infer") == 200
        assert await status("german", "POST", "/v2/models/en/m.tar.gz/infer") == 403
        assert await status("german", "POST", "/v2/repository/models/en/m.tar.gz/load") == 403
        assert await status("german", "POST", "/v2/repository/index") == 403
        assert await status("reader", "POST", "/v2/models/de/m.tar.gz/infer") == 403
        assert await status("caller", "POST", "/v2/repository/models/de/m.tar.gz/load") == 403
        assert (await ask(gated, ("GET", "/v2/health/ready")))[0] == 200
        refused = await ask(gated, INFER)
    assert refused[0] == 401
    assert refused[1]["WWW-Authenticate"].startswith("Bearer")
    assert list(json.loads(refused[2])) == ["error"]
