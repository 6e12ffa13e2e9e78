"""The multi-model container contract row by row, seen from outside; see docs/conformance.md."""

from __future__ import annotations

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.container.conftest import KEYPHRASES, SIMILARITY
from tests.support.conformance import TABLE, conforms
from tests.support.endpoint import PROJECT
from tests.support.engine import IMAGE, container, image_labels, run
from tests.support.platform import models_of, platform_of

CALLS = "1.1 Calls the platform makes"
REACTIONS = "1.2 What the platform does with the answers"
LIMITS = "1.3 Time limits and sizes"
HEADERS = "1.4 Headers that reach the container"
SURROUNDINGS = "1.5 Environment, labels, files, user"
SINGLE = "1.6 Single-model hosting"

MIB = 1024 * 1024
ROW = "Impfstoff,Erbgut"
CSV, TEXT = "text/csv", "text/plain"
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
# What an endpoint's container was seen to be given, credentials by address and not by key.
PLATFORM_ENVIRONMENT = {
    "SAGEMAKER_MULTI_MODEL": "true",
    "SAGEMAKER_SAFE_PORT_RANGE": "25000-25999",
    "AWS_REGION": "eu-central-1",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/none",
    "HOME": "/root",
    # 100 entries of up to 1024 characters, 32 KiB in all
    **{f"OPERATORS_{n}": "x" * 300 for n in range(94)},
}


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """A container as the platform starts it, its driver, and what it answered until healthy."""
    models_dir = tmp_path_factory.mktemp("models")
    mount = f"--volume={models_dir}:/opt/ml/models:ro"
    with container(mount, environment=PLATFORM_ENVIRONMENT) as box:
        platform = platform_of(box, models_dir)
        began_s = time.monotonic()
        refused = platform.wait_until_healthy()
        yield box, platform, refused, time.monotonic() - began_s


@pytest.fixture
def box(started):
    return started[0]


@pytest.fixture
def platform(started):
    return started[1]


@pytest.fixture
def loaded(platform):
    """A fresh model, loaded; its name."""
    target = f"{time.monotonic_ns()}/{SIMILARITY}"
    name = platform.download(target, PROJECT / "artifacts" / SIMILARITY)
    assert platform.load(name).status_code == 200
    yield name
    platform.unload(name)


@pytest.fixture
def waiting(platform):
    """A fresh model that is not loaded; its name."""
    target = f"{time.monotonic_ns()}/{SIMILARITY}"
    name = platform.download(target, PROJECT / "artifacts" / SIMILARITY)
    yield name
    platform.unload(name)


def status(answer: requests.Response) -> str:
    return str(answer.status_code)


# 1.1


@conforms(CALLS, "`GET /ping` and `GET /models` from the first answer on", "never another than 200")
def test_both_health_calls_answer_200_from_the_first_answer_on(started):
    return "never another than 200" if not started[2] else f"{started[2]}"


@conforms(CALLS, "`GET /ping`", "200")
def test_ping(platform):
    return status(platform.get("/ping"))


@conforms(CALLS, "`GET /models` with nothing loaded", '200 {"models": []}')
def test_an_empty_list(platform):
    answer = platform.get("/models")
    return f"{answer.status_code} {json.dumps(answer.json())}"


@conforms(CALLS, "`POST /models`", "200, ready to serve")
def test_load(platform, waiting):
    answer, first = platform.load(waiting), platform.ask(waiting, ROW, Content_Type=CSV)
    return f"{answer.status_code}, {'ready to serve' if first.ok else first.text}"


@conforms(CALLS, "`POST /models`, name already loaded", "409")
def test_load_twice(platform, loaded):
    return status(platform.load(loaded))


@conforms(CALLS, "`POST /models`, not enough memory", "507, not listed, nothing taken")
def test_load_without_room(platform, waiting, models_dir):
    environment = {
        "SAGEMAKER_MULTI_MODEL": "true",
        "MME_MEMORY_HIGH": "0.02",
        "MME_MEMORY_LOW": "0.01",
    }
    mount = f"--volume={platform.models_dir}:/opt/ml/models:ro"
    with container(mount, "--memory=1g", environment=environment) as small:
        narrow = platform_of(small, platform.models_dir)
        narrow.wait_until_healthy()
        answer = narrow.load(waiting)
        listed = models_of(narrow.get("/models"))
        small.wait_until("/ping")
        taken = "nothing" if not small.workers() else "a worker"
        return f"{answer.status_code}, {'listed' if listed else 'not listed'}, {taken} taken"


@conforms(CALLS, "`POST /models`, no such folder", "an error other than 409 and 507")
def test_load_of_nothing(platform):
    answer = platform.load("0" * 32)
    other = answer.status_code >= 400 and answer.status_code not in (409, 507)
    return "an error other than 409 and 507" if other else status(answer)


@conforms(CALLS, "`POST /models`, a broken artifact", "500, not listed, loads once it is mended")
def test_load_of_a_broken_artifact(platform):
    name = platform.name_of("broken")
    folder = platform.models_dir / name / "model"
    folder.mkdir(parents=True)
    (folder / "DocSim-params.json").write_text("{")
    answer = platform.load(name)
    listed = name in [model["modelName"] for model in models_of(platform.get("/models"))]
    (folder / "DocSim-params.json").unlink()
    whole = platform.download("whole", PROJECT / "artifacts" / SIMILARITY)
    for file in (platform.models_dir / whole / "model").iterdir():
        file.rename(folder / file.name)
    again = platform.load(name)
    platform.unload(name)
    return (
        f"{answer.status_code}, {'listed' if listed else 'not listed'},"
        f" {'loads once it is mended' if again.ok else again.text}"
    )


@conforms(CALLS, "`GET /models`", "name and /opt/ml/models/{name}/model of each model")
def test_list(platform, loaded):
    found = models_of(platform.get("/models"))
    whole = found == [{"modelName": loaded, "modelUrl": f"/opt/ml/models/{loaded}/model"}]
    return "name and /opt/ml/models/{name}/model of each model" if whole else str(found)


@conforms(CALLS, "`GET /models` page by page", "every model once, no token on the last page")
def test_list_by_pages(platform):
    names = [platform.download(f"page {n}", PROJECT / "artifacts" / SIMILARITY) for n in range(3)]
    for name in names:
        platform.load(name).raise_for_status()
    seen, query = [], "?limit=2"
    for _ in range(4):
        page = platform.get(f"/models{query}").json()
        seen += [model["modelName"] for model in page["models"]]
        if not page.get("nextPageToken"):
            break
        query = f"?limit=2&next_page_token={page['nextPageToken']}"
    for name in names:
        platform.unload(name)
    once = sorted(seen) == sorted(names) and not page.get("nextPageToken")
    return "every model once, no token on the last page" if once else str(seen)


@conforms(CALLS, "`GET /models/{name}`", "200, modelName and modelUrl")
def test_describe(platform, loaded):
    answer = platform.get(f"/models/{loaded}")
    found = answer.json()[0] if isinstance(answer.json(), list) else answer.json()
    right = (found["modelName"], found["modelUrl"]) == (loaded, f"/opt/ml/models/{loaded}/model")
    return f"{answer.status_code}, {'modelName and modelUrl' if right else found}"


@conforms(CALLS, "`GET /models/{name}`, not loaded", "404")
def test_describe_nothing(platform):
    return status(platform.get(f"/models/{'0' * 32}"))


@conforms(CALLS, "`DELETE /models/{name}`", "200, worker gone, then 404")
def test_unload(box, platform, waiting):
    platform.load(waiting).raise_for_status()
    answer = platform.unload(waiting)
    gone = not [worker for worker in box.workers() if worker.state != "Z"]
    after = platform.get(f"/models/{waiting}")
    return (
        f"{answer.status_code}, {'worker gone' if gone else 'worker there'}, then {status(after)}"
    )


@conforms(CALLS, "`DELETE /models/{name}`, not loaded", "404")
def test_unload_nothing(platform):
    return status(platform.unload("0" * 32))


@conforms(CALLS, "`POST /models/{name}/invoke`", "200 and the prediction")
def test_invoke(platform, loaded):
    answer = platform.ask(loaded, ROW, Content_Type=CSV)
    right = len(answer.json()) == 1 and float(answer.json()[0]) > 0
    return f"{answer.status_code} and {'the prediction' if right else answer.text}"


@conforms(CALLS, "`POST /models/{name}/invoke`, not loaded", "404")
def test_invoke_nothing(platform):
    return status(platform.ask("0" * 32, ROW, Content_Type=CSV))


# 1.2


@conforms(REACTIONS, "load 200", "the waiting invocation is answered: 200")
def test_a_cold_invocation(platform, waiting):
    target = f"cold {waiting}"
    platform.download(target, PROJECT / "artifacts" / KEYPHRASES)
    answer = platform.invoke(target, "Neue Steuer auf Strom", TEXT)
    platform.unload(platform.name_of(target))
    return f"the waiting invocation is answered: {answer.status}"


@conforms(REACTIONS, "load 507: unload, load again", "200 for each of 12 models in room for 6")
def test_room_is_made_by_unloading(platform, tmp_path, unpacked):
    # The limit is the operator's: 507 comes from it as it does from the kernel's.
    base_bytes, each_bytes = 260 * MIB, 40 * MIB
    ballast = unpacked / "ballast"
    if not ballast.exists():
        ballast.mkdir()
        for file in (unpacked / SIMILARITY).iterdir():
            (ballast / file.name).hardlink_to(file)
        (ballast / "ballast.bin").write_bytes(bytes(each_bytes))
    models = tmp_path / "ballasted"
    models.mkdir()
    environment = {
        "SAGEMAKER_MULTI_MODEL": "true",
        "MME_HANDLER": "/handlers/heavy_handler.py",
    }
    mounts = (
        f"--volume={models}:/opt/ml/models:ro",
        f"--volume={PROJECT}/tests/container/handlers:/handlers:ro",
    )
    limit = f"--memory={int((base_bytes + 6 * each_bytes) / 0.85)}"
    with container(*mounts, limit, environment=environment) as small:
        narrow = platform_of(small, models)
        narrow.wait_until_healthy()
        for n in range(12):
            narrow.link(f"{n}", ballast)
        answers = [narrow.invoke(f"{n}", ROW, CSV).status for n in range(12)]
        kills = small.memory_kills()
        assert narrow.unloads_for_room > 0, small.log
        assert kills == 0
    right = answers == [200] * 12
    return "200 for each of 12 models in room for 6" if right else str(answers)


@conforms(REACTIONS, "invoke 4xx", "ModelError 424 with the model's own status 415 and reason")
def test_a_clients_error(platform, loaded):
    answer = platform.ask(loaded, ROW, Content_Type="image/png")
    reason = answer.json()["type"]
    right = (answer.status_code, reason) == (415, "UnsupportedContentType")
    wanted = "ModelError 424 with the model's own status 415 and reason"
    return wanted if right else f"{answer.status_code} {answer.text}"


@conforms(REACTIONS, "invoke 404, model thought loaded", "200 after it is loaded again")
def test_a_model_thought_loaded(platform):
    target = "thought loaded"
    name = platform.download(target, PROJECT / "artifacts" / SIMILARITY)
    platform.invoke(target, ROW, CSV)
    requests.delete(f"{platform.url}/models/{name}", timeout=60)
    answer = platform.invoke(target, ROW, CSV)
    platform.unload(name)
    return f"{answer.status} after it is loaded again"


@conforms(REACTIONS, "unloaded, files still there, wanted again", "200, the same answer")
def test_reload(platform, loaded):
    first = platform.ask(loaded, ROW, Content_Type=CSV).content
    platform.unload(loaded).raise_for_status()
    answer = platform.load(loaded)
    same = platform.ask(loaded, ROW, Content_Type=CSV).content == first
    return f"{answer.status_code}, {'the same answer' if same else 'another answer'}"


@conforms(REACTIONS, "worker died", "the model comes back without the platform's doing")
def test_a_dead_worker_is_replaced(box, platform, loaded):
    (worker,) = box.workers()
    box.kill_inside(worker.pid)
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s:
        try:
            answer = requests.post(
                f"{platform.url}/models/{loaded}/invoke",
                data=ROW, headers={"Content-Type": CSV}, timeout=5,
            )  # fmt: skip
        except requests.Timeout:
            continue
        if answer.ok:
            return "the model comes back without the platform's doing"
    return f"{answer.status_code} {answer.text}"


# 1.3


@conforms(LIMITS, "`/ping` while models load, answer and unload", "each within 2 s")
def test_ping_is_quick_under_work(platform):
    targets = [f"busy {n}" for n in range(6)]
    for target in targets:
        platform.download(target, PROJECT / "artifacts" / SIMILARITY)
    names = [platform.name_of(target) for target in targets]
    done = threading.Event()

    def work(name: str) -> None:
        rows = "\n".join([ROW] * 20_000)
        # Not whether they work: the model server may lose a load to an unload at the same moment.
        for _ in range(3):
            platform.load(name)
            platform.ask(name, rows, Content_Type=CSV)
            platform.unload(name)

    def watch() -> list[float]:
        took = []
        while not done.is_set():
            began_s = time.monotonic()
            assert requests.get(f"{platform.url}/ping", timeout=30).ok
            took.append(time.monotonic() - began_s)
        return took

    with ThreadPoolExecutor(4) as pool:
        watching = pool.submit(watch)
        try:
            list(pool.map(work, names))
        finally:
            done.set()
        slowest_s = max(watching.result())
    return "each within 2 s" if slowest_s < 2 else f"{slowest_s:.1f} s"


@conforms(LIMITS, "start-up until the first 200", "within 8 minutes")
def test_start_up(started):
    return "within 8 minutes" if started[3] < 480 else f"{started[3]:.0f} s"


@conforms(LIMITS, "accepting a connection", "within 250 ms")
def test_connections_are_accepted(platform):
    host, port = platform.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=0.25):
        return "within 250 ms"


@conforms(LIMITS, "load, download aside; unload", "each within 360 s")
def test_loading_time(platform, waiting):
    began_s = time.monotonic()
    platform.load(waiting).raise_for_status()
    platform.unload(waiting).raise_for_status()
    took_s = time.monotonic() - began_s
    return "each within 360 s" if took_s < 360 else f"{took_s:.0f} s"


@conforms(LIMITS, "a request body of 6,291,456 bytes", "200")
def test_the_largest_body(platform, loaded):
    limit = 6 * MIB
    padding = b"wort " * ((limit - 20) // 5)
    body = b'"' + padding + b" " * (limit - len(padding) - len(b'"",Erbgut')) + b'",Erbgut'
    assert len(body) == limit
    return status(platform.ask(loaded, body, Content_Type=CSV))


@conforms(LIMITS, "stop: SIGTERM", "exit code 0 within 30 s, the running request answered")
def test_stop(models_dir):
    mount = f"--volume={models_dir}:/opt/ml/models:ro"
    with container(mount, environment={"SAGEMAKER_MULTI_MODEL": "true"}) as box:
        platform = platform_of(box, models_dir)
        platform.wait_until_healthy()
        name = platform.download("m", PROJECT / "artifacts" / SIMILARITY)
        platform.load(name).raise_for_status()
        sentence = "Der Impfstoff verändert das Erbgut; Strom und Steuer"
        rows = "\n".join([f'"{sentence}","{sentence}"'] * 40_000).encode()
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(platform.ask, name, rows, Content_Type=CSV)
            (worker,) = box.workers()
            wait_until_running(box, worker.pid)
            began_s = time.monotonic()
            code = box.stop()
            took_s = time.monotonic() - began_s
            answered = "the running request answered" if asked.result().ok else "no answer"
    return f"exit code {code} {'within' if took_s < 30 else 'after'} 30 s, {answered}"


def wait_until_running(box, pid: int, timeout_s: float = 30) -> None:
    """Until the worker computes, which it does for nothing but a request."""
    source = f"print(open('/proc/{pid}/stat').read().rsplit(')', 1)[1].split()[0])"
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        if box.python(source) == "R":
            return
    raise AssertionError("the worker never ran")


# 1.4


@conforms(HEADERS, "`Content-Type`", "decides how the body is read")
def test_content_type(platform, loaded):
    as_csv = platform.ask(loaded, ROW, Content_Type=CSV).json()
    pairs = json.dumps({"pairs": [ROW.split(",")]})
    as_json = platform.ask(loaded, pairs, Content_Type="application/json").json()
    same = as_json["similarities"] == pytest.approx([float(as_csv[0])], abs=1e-5)
    return "decides how the body is read" if same else f"{as_csv} {as_json}"


@conforms(HEADERS, "`Accept`", "decides the form of the answer, text/csv")
def test_accept(platform, loaded):
    answer = platform.ask(loaded, ROW, Content_Type=CSV, Accept=CSV)
    return f"decides the form of the answer, {answer.headers['Content-Type'].split(';')[0]}"


@conforms(HEADERS, f"`{ATTRIBUTES}`", "no harm; not sent back, for no model sets it")
def test_custom_attributes(platform, loaded):
    answer = platform.ask(loaded, ROW, Content_Type=CSV, **{ATTRIBUTES: "trace=1"})
    back = "not sent back, for no model sets it"
    harmless = "no harm" if answer.ok else answer.text
    return f"{harmless}; {'sent back' if ATTRIBUTES in answer.headers else back}"


@conforms(HEADERS, "`X-Amzn-SageMaker-Target-Model`", "named in the model's errors")
def test_target_model(platform, loaded):
    headers = {"X-Amzn-SageMaker-Target-Model": "de/Wanted.tar.gz"}
    answer = platform.ask(loaded, b"", Content_Type=CSV, **headers)
    named = answer.json()["target_model"] == "de/Wanted.tar.gz"
    return "named in the model's errors" if named else answer.text


@conforms(HEADERS, "anything else", "ignored: 200")
def test_other_headers(platform, loaded):
    headers = {"X-Amzn-SageMaker-Inference-Id": "7", "X-Whatever": "ü".encode().decode("latin-1")}
    return f"ignored: {status(platform.ask(loaded, ROW, Content_Type=CSV, **headers))}"


# 1.5


@conforms(SURROUNDINGS, "label …capabilities.multi-models", "true")
def test_label_multi_models():
    return image_labels()["com.amazonaws.sagemaker.capabilities.multi-models"]


@conforms(SURROUNDINGS, "label …capabilities.accept-bind-to-port", "true")
def test_label_bind_to_port():
    return image_labels()["com.amazonaws.sagemaker.capabilities.accept-bind-to-port"]


@conforms(SURROUNDINGS, "`SAGEMAKER_BIND_TO_PORT=9090`", "200 there, no other port is listened on")
def test_bind_to_port(models_dir):
    environment = {"SAGEMAKER_MULTI_MODEL": "true", "SAGEMAKER_BIND_TO_PORT": "9090"}
    with container(environment=environment, port=9090) as box:
        platform_of(box, models_dir).wait_until_healthy()
        ports = box.listening_ports()
    return "200 there, no other port is listened on" if ports == [9090] else str(ports)


@conforms(SURROUNDINGS, "environment of 100 entries", "given to the container, which starts")
def test_environment(box):
    names = box.python("import os; print(sum(n.startswith('OPERATORS_') for n in os.environ))")
    return "given to the container, which starts" if names == "94" else names


@conforms(SURROUNDINGS, "`/opt/ml/models` read-only", "models load; nothing appears in it")
def test_read_only_models(platform, loaded):
    files = sorted(path.name for path in (platform.models_dir / loaded / "model").iterdir())
    expected = sorted(path.name for path in unpacked_names())
    return "models load; nothing appears in it" if files == expected else str(files)


def unpacked_names() -> list[Path]:
    import tarfile  # noqa: PLC0415

    with tarfile.open(PROJECT / "artifacts" / SIMILARITY) as packed:
        return [Path(name) for name in packed.getnames()]


@conforms(SURROUNDINGS, "nothing is preloaded", "an empty list at the start")
def test_nothing_is_preloaded():
    row = "`GET /models` with nothing loaded"
    seen = {key.row: value for key, value in TABLE.seen.items()}
    return "an empty list at the start" if '"models": []' in seen.get(row, "[]") else seen[row]


@conforms(SURROUNDINGS, "user", "root by default")
def test_user(box):
    return "root by default" if box.python("import os; print(os.getuid())") == "0" else "another"


@conforms(SURROUNDINGS, "entry point", "exec form; copes with serve, train and sub-commands")
def test_entry_point(box):
    first = box.python("print(open('/proc/1/cmdline').read().split(chr(0))[1:3])")
    assert "serve" in first
    helped = run("run", "--rm", "--no-healthcheck", IMAGE, "train", "--help")
    listed = run("run", "--rm", "--no-healthcheck", IMAGE, "settings")
    right = "usage: mme train" in helped and "MME_STORE=" in listed
    return "exec form; copes with serve, train and sub-commands" if right else helped + listed


@conforms(SURROUNDINGS, "process 1 reaps", "no zombie after loads, unloads and deaths")
def test_reaping(box, platform, loaded):
    for worker in box.workers():
        box.kill_inside(worker.pid)
    deadline_s = time.monotonic() + 30
    while time.monotonic() < deadline_s:
        zombies = [process for process in box.processes() if process.state == "Z"]
        if not zombies:
            return "no zombie after loads, unloads and deaths"
    return str(zombies)


# 1.6


@pytest.fixture(scope="module")
def single(unpacked):
    mount = f"--volume={unpacked / SIMILARITY}:/opt/ml/model:ro"
    with container(mount, environment={"SAGEMAKER_SAFE_PORT_RANGE": "25000-25999"}) as box:
        box.wait_until("/ping")
        yield box


@conforms(SINGLE, "`GET /ping` once the model is loaded", "200")
def test_single_ping(single):
    return status(requests.get(f"{single.url}/ping", timeout=2))


@conforms(SINGLE, "`POST /invocations`", "200 and the prediction")
def test_single_invocations(single):
    answer = requests.post(
        f"{single.url}/invocations", data=ROW, headers={"Content-Type": CSV}, timeout=60
    )
    return f"{answer.status_code} and {'the prediction' if len(answer.json()) == 1 else '?'}"


@conforms(SINGLE, "`POST /invocations`, bad input", "the model's own status 415")
def test_single_bad_input(single):
    answer = requests.post(
        f"{single.url}/invocations", data=ROW, headers={"Content-Type": "image/png"}, timeout=60
    )
    return f"the model's own status {answer.status_code}"


@conforms(SINGLE, "`GET /execution-parameters`", "200 and the three parameters")
def test_single_execution_parameters(single):
    answer = requests.get(f"{single.url}/execution-parameters", timeout=10)
    wanted = {"MaxConcurrentTransforms", "BatchStrategy", "MaxPayloadInMB"}
    given = "the three parameters" if answer.json().keys() == wanted else answer.text
    return f"{answer.status_code} and {given}"


@conforms(SINGLE, "second port", "one of SAGEMAKER_SAFE_PORT_RANGE")
def test_single_ports(single):
    public, second = single.listening_ports()
    right = public == 8080 and 25000 <= second <= 25999
    return "one of SAGEMAKER_SAFE_PORT_RANGE" if right else f"{public} {second}"


@conforms(SINGLE, "the model's worker is killed", "200 again, and the prediction")
def test_single_model_comes_back(single):
    (worker,) = single.workers()
    single.kill_inside(worker.pid)
    deadline_s = time.monotonic() + 60
    while worker.pid in [process.pid for process in single.workers()]:
        assert time.monotonic() < deadline_s
    single.wait_until("/ping")
    answer = requests.post(
        f"{single.url}/invocations", data=ROW, headers={"Content-Type": CSV}, timeout=60
    )
    return f"{answer.status_code} again, and {'the prediction' if answer.ok else answer.text}"


@conforms(SINGLE, "a model that cannot be loaded", "exit code 1, the reason in the last line")
def test_single_broken(tmp_path):
    (tmp_path / "readme.txt").write_text("no model here")
    with container(f"--volume={tmp_path}:/opt/ml/model:ro") as box:
        code = box.wait()
        told = "readme.txt" in box.last_line and box.last_line.startswith("mme: ")
        said = "the reason in the last line" if told else box.last_line
    return f"exit code {code}, {said}"
