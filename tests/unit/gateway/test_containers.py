"""What a platform calls: the surfaces of both containers over fake engines."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

import pytest

from mme.core.errors import LoadFailed, ModelFailed, ModelNotReady
from tests.support.fake_engine import Answer

TARGET = "X-Amzn-SageMaker-Target-Model"
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
FOLDER = "/opt/ml/models/m/model"


async def ask(served, method, path, **options):
    async with served.client.request(method, path, **options) as answer:
        return answer.status, await answer.json()


async def test_a_model_is_loaded_listed_described_asked_and_unloaded(container, platform):
    wanted = {"model_name": "m", "url": FOLDER}
    loaded = await ask(container, "POST", "/models", json=wanted)
    assert loaded == (200, {"status": "Workers scaled"})
    described = {"modelName": "m", "modelUrl": FOLDER}
    assert await ask(container, "GET", "/models") == (200, {"models": [described]})
    assert await ask(container, "GET", "/models/m") == (200, described)
    sent = {"Content-Type": "text/csv", TARGET: "t", "X-Secret": "s"}
    answered = await ask(container, "POST", "/models/m/invoke", data=b"a", headers=sent)
    assert answered == (200, ["ok"])
    (asked,) = platform.asked
    assert (asked.model, asked.body) == ("m", b"a")
    assert asked.headers["Content-Type"] == "text/csv"
    assert asked.headers[TARGET] == "t"
    assert "X-Secret" not in asked.headers
    await ask(container, "POST", "/models/m/invoke", data=b"a")
    assert platform.asked[-1].headers["X-Mme-Model-Name"] == "m"  # nobody names a target
    assert (await ask(container, "POST", "/models", json=wanted))[0] == 409
    unloaded = await ask(container, "DELETE", "/models/m")
    assert unloaded == (200, {"status": 'Model "m" unregistered'})
    for method, path in (
        ("GET", "/models/m"),
        ("DELETE", "/models/m"),
        ("POST", "/models/m/invoke"),
    ):
        status, body = await ask(container, method, path)
        assert (status, body["type"]) == (404, "ModelNotFoundException")
        assert "'m'" in body["message"]


async def test_a_model_is_asked_by_its_target_without_a_load(container, platform):
    platform.folders["de/DocSim.tar.gz"] = Path(FOLDER)
    sent = {"Content-Type": "text/csv", TARGET: "de/DocSim.tar.gz", "X-Secret": "s"}
    answered = await ask(container, "POST", "/invocations", data=b"a", headers=sent)
    assert answered == (200, ["ok"])
    (asked,) = platform.asked
    assert (asked.model, asked.body) == ("de/DocSim.tar.gz", b"a")
    assert asked.headers[TARGET] == "de/DocSim.tar.gz"
    assert "X-Secret" not in asked.headers


@pytest.mark.parametrize(
    ("headers", "status", "kind"),
    [
        ({}, 400, "BadRequestException"),
        ({TARGET: "none"}, 404, "ModelNotFoundException"),
    ],
)
async def test_a_target_that_is_not_there_or_not_named_is_refused(container, headers, status, kind):
    answered, told = await ask(container, "POST", "/invocations", data=b"a", headers=headers)
    assert (answered, told["type"]) == (status, kind)


@pytest.mark.parametrize("status", [200, 415, 500, 503])
async def test_what_a_model_answers_goes_back_as_it_is(container, platform, status):
    platform.folders["m"] = Path(FOLDER)
    given = {"content-type": "text/csv", ATTRIBUTES.lower(): "trace", "x-inside": "secret"}
    platform.answer = Answer(status, given, b"\xff")
    async with container.client.post("/models/m/invoke") as answer:
        assert (answer.status, await answer.read()) == (status, b"\xff")
        assert answer.headers["Content-Type"] == "text/csv"
        assert answer.headers[ATTRIBUTES] == "trace"
        assert "x-inside" not in answer.headers


async def test_a_load_without_room_is_507_with_the_workers_words(container, platform):
    platform.failure = LoadFailed("m", 507, '{"message": "no room"}')
    answered = await ask(container, "POST", "/models", json={"model_name": "m", "url": FOLDER})
    assert answered == (507, {"message": "no room"})


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "not JSON"),
        (b"[1]", 400, "JSON list"),
        (b"[" * 60_000, 400, "not JSON"),
        (b"x" * 70_000, 413, "larger than"),
        (b'{"url": "/opt/ml/models/x/model"}', 400, "model_name"),
        (b'{"model_name": "x"}', 400, "url"),
        (b'{"model_name": "x", "url": 5}', 400, "url"),
        (b'{"model_name": "x", "url": "/' + b"x" * 300 + b'"}', 400, "url"),
        (b'{"model_name": "x", "url": "/' + "ü".encode() * 128 + b'"}', 400, "url"),
        (b'{"model_name": "x", "url": "' + b"/x" * 2001 + b'"}', 400, "url"),
        (b'{"model_name": "x", "url": "/\\udfff"}', 400, "url"),
        (b'{"model_name": "x", "url": "/a\\u0000"}', 400, "url"),
        (b'{"model_name": "", "url": "/x"}', 400, "model_name"),
        (b'{"model_name": "a\\u0000b", "url": "/x"}', 400, "model_name"),
        (b'{"model_name": "\\ud800", "url": "/x"}', 400, "model_name"),
        (b'{"model_name": "' + b"x" * 1025 + b'", "url": "/x"}', 400, "1025 characters"),
    ],
)
async def test_a_load_that_cannot_be_is_refused_by_name(container, body, status, words):
    answered, told = await ask(container, "POST", "/models", data=body)
    assert (answered, told["code"]) == (status, status)
    assert words in told["message"]


@pytest.mark.parametrize("name", ["ä ö", "x" * 300, "..", "a/b", "1", "50%", "a+b"])
async def test_any_name_will_do(container, platform, name):
    platform.folders[name] = Path(FOLDER)
    path = "/models/" + "".join(f"%{byte:02X}" for byte in name.encode())
    for method, rest in ("GET", ""), ("POST", "/invoke"), ("DELETE", ""):
        raw = await container.raw(
            f"{method} {path}{rest} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            "Content-Length: 0\r\n\r\n".encode()
        )
        assert raw.startswith(b"HTTP/1.1 200"), raw
    assert platform.asked[0].model == name


async def test_the_list_comes_in_pages_whose_token_is_a_name(container, platform):
    platform.folders = {name: Path(FOLDER) for name in ("a", "ä", "b c", "z&z")}
    status, page = await ask(container, "GET", "/models?limit=2")
    assert (status, page["nextPageToken"]) == (200, "b c")
    params = {"limit": "2", "next_page_token": page["nextPageToken"]}
    _, rest = await ask(container, "GET", "/models", params=params)
    assert [model["modelName"] for model in rest["models"]] == ["z&z", "ä"]
    assert "nextPageToken" not in rest
    for limit in ("none", "0", "9" * 5000):
        assert (await ask(container, "GET", f"/models?limit={limit}"))[0] == 400


async def test_ping_says_whether_the_engine_is_ready(container, platform, single, sole):
    for served, engine in ((container, platform), (single, sole)):
        for is_up, status in ((True, 200), (False, 503)):
            engine.is_up = is_up
            async with served.client.get("/ping") as answer:
                assert (answer.status, await answer.read()) == (status, b"")


async def test_containers_name_their_requests(container, single):
    for served in (container, single):
        async with served.client.get("/ping") as answer:
            name = answer.headers["x-amzn-RequestId"]
            assert str(uuid.UUID(name)) == name


async def test_one_model_is_asked_without_a_name(single, sole):
    sent = {"Content-Type": "text/csv", TARGET: "t"}
    assert await ask(single, "POST", "/invocations", data=b"a", headers=sent) == (200, ["ok"])
    (asked,) = sole.asked
    assert asked.body == b"a"
    assert asked.headers["Content-Type"] == "text/csv"
    assert TARGET not in asked.headers


@pytest.mark.parametrize(
    ("failure", "status", "kind"),
    [
        (ModelNotReady("model", "it is not loaded"), 503, "ModelNotReady"),
        (ModelFailed("model", 0, "it died"), 502, "ModelFailed"),
        (ModelFailed("model", 200, "nonsense"), 502, "ModelFailed"),
        (RuntimeError("of ours"), 500, "InternalFailure"),
    ],
)
async def test_a_sole_model_that_cannot_answer_is_told_of(single, sole, failure, status, kind):
    sole.failure = failure
    answered, body = await ask(single, "POST", "/invocations", data=b"a")
    assert (answered, body["type"], body["status"]) == (status, kind, status)


async def test_batch_transform_is_told_what_suits(single):
    assert await ask(single, "GET", "/execution-parameters") == (
        200,
        {"MaxConcurrentTransforms": 3, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 1},
    )


@pytest.mark.hostile("requests to models")
@pytest.mark.parametrize(
    ("status", "body"),
    [(301, b""), (302, b"x"), (304, b""), (307, b""), (101, b""), (100, b""), (204, b"x")],
)
async def test_a_model_that_redirects_or_says_no_status_of_an_answer_has_failed(
    surface, status, body
):
    given = {"content-type": "text/csv", "location": "http://evil.example"}
    surface.engine.answer = Answer(status, given, body)
    async with surface.invoke(data=b"x", allow_redirects=False) as answer:
        assert answer.status == (424 if surface.message_key == "Message" else 502)
        assert "Location" not in answer.headers
        assert str(status) in (await answer.json())[surface.message_key]


async def test_of_a_body_for_a_model_that_is_not_there_nothing_is_read(container, bodies):
    reader, writer = await asyncio.open_connection("127.0.0.1", container.port)
    writer.write(
        b"POST /models/none/invoke HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
        b"Expect: 100-continue\r\n\r\n"
    )
    assert b" 404 " in await reader.readline()
    assert bodies.held_bytes == 0
    writer.transport.abort()


@pytest.mark.hostile("requests to models")
@pytest.mark.parametrize(("method", "path"), [("POST", "/models"), ("DELETE", "/models/m")])
async def test_a_page_of_another_site_loads_and_unloads_nothing(container, platform, method, path):
    platform.folders["m"] = Path(FOLDER)
    wanted = {"model_name": "n", "url": FOLDER}
    headers = {"Origin": "https://evil.example"}
    status, told = await ask(container, method, path, json=wanted, headers=headers)
    assert (status, told["type"]) == (403, "ForbiddenException")
    assert list(platform.folders) == ["m"]
