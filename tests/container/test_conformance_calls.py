"""The platform's calls and limits, row by row; see docs/conformance.md."""

from __future__ import annotations

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import requests

from tests.container.conftest import KEYPHRASES, SIMILARITY
from tests.support.ballast import narrow_container, with_ballast
from tests.support.conformance import CALLS, LIMITS, conforms
from tests.support.endpoint import PROJECT
from tests.support.engine import container
from tests.support.platform import OK, models_of, platform_of
from tests.support.slow import slow_text

MIB = 1024 * 1024
ROW = "Impfstoff,Erbgut"
CSV, TEXT = "text/csv", "text/plain"


def status(answer: requests.Response) -> str:
    return str(answer.status_code)


# 1.1


@conforms(CALLS, "`GET /models` from the first answer on", "never another than 200")
def test_the_list_answers_200_from_the_first_answer_on(started):
    answers = {models for _, models in started.refused} | {200}
    return "never another than 200" if answers == {200} else f"{started.refused}"


@conforms(CALLS, "`GET /ping` while it starts", "503 or an answer that comes with the start, 200")
def test_ping_tells_when_loads_are_possible(started):
    answers = {ping for ping, _ in started.refused}
    wanted = "503 or an answer that comes with the start, 200"
    return wanted if answers <= {503} else f"{started.refused}"


@conforms(CALLS, "anything else", "404 or 405: PUT /models, /predictions, /api-description, ...")
def test_nothing_beyond_the_contract(platform, loaded):
    calls = (
        ("PUT", f"/models/{loaded}?min_worker=3"), ("POST", f"/predictions/{loaded}"),
        ("POST", f"/{loaded}/predict"), ("GET", "/api-description"), ("OPTIONS", "/"),
        ("GET", "/"), ("POST", f"/models/{loaded}"),
    )  # fmt: skip
    answers = [
        requests.request(method, platform.url + path, data=ROW, timeout=60).status_code
        for method, path in calls
    ]
    wanted = "404 or 405: PUT /models, /predictions, /api-description, ..."
    return wanted if set(answers) <= {404, 405} else str(answers)


@conforms(CALLS, "`POST /models` with a `url` beside /opt/ml/models", "400")
def test_load_of_a_folder_that_is_not_the_platforms(platform):
    body = {"model_name": "passwords", "url": "/etc"}
    return status(requests.post(f"{platform.url}/models", json=body, timeout=60))


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


@conforms(CALLS, "`POST /models`, larger than all memory", "507 at once, not listed, nothing taken")
def test_load_of_what_can_never_fit(unpacked, tmp_path):
    with narrow_container(tmp_path, "--memory=512m") as (box, platform):
        platform.link("fits", unpacked / SIMILARITY)
        assert platform.invoke("fits", ROW, CSV).status == OK
        before = box.worker_pids()
        platform.link("huge", with_ballast(unpacked / SIMILARITY, 1024 * MIB))
        name, began_s = platform.name_of("huge"), time.monotonic()
        answer = platform.load(name)
        when = "at once" if time.monotonic() - began_s < 5 else "late"
        listed = name in [model["modelName"] for model in models_of(platform.get("/models"))]
        taken = "nothing" if box.worker_pids() == before else "something"
        assert platform.invoke("fits", ROW, CSV).status == OK
    return f"{answer.status_code} {when}, {'listed' if listed else 'not listed'}, {taken} taken"


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
    found = answer.json()
    right = found == {"modelName": loaded, "modelUrl": f"/opt/ml/models/{loaded}/model"}
    return f"{answer.status_code}, {'modelName and modelUrl' if right else found}"


@conforms(CALLS, "`GET /models/{name}`, not loaded", "404")
def test_describe_nothing(platform):
    return status(platform.get(f"/models/{'0' * 32}"))


@conforms(CALLS, "`DELETE /models/{name}`", "200, then 404 to every call")
def test_unload(box, platform, waiting):
    platform.load(waiting).raise_for_status()
    assert platform.ask(waiting, ROW, Content_Type=CSV).ok
    before, answer = box.worker_pids(), platform.unload(waiting)
    assert box.worker_pids() == before  # they are everybody's
    after = {
        status(platform.get(f"/models/{waiting}")),
        status(platform.ask(waiting, ROW, Content_Type=CSV)),
        status(platform.unload(waiting)),
    }
    return f"{answer.status_code}, then {', '.join(sorted(after))} to every call"


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


# 1.3


@conforms(LIMITS, "`/ping` while models load, answer and unload", "each within 2 s")
def test_ping_is_quick_under_work(platform):
    targets = [f"busy {n}" for n in range(6)]
    for target in targets:
        platform.download(target, PROJECT / "artifacts" / SIMILARITY)
    names = [platform.name_of(target) for target in targets]
    done = threading.Event()

    def work(name: str) -> int:
        rows, answered = "\n".join([ROW] * 20_000), 0
        for _ in range(3):
            answered += platform.load(name).ok
            answered += platform.ask(name, rows, Content_Type=CSV).ok
            answered += platform.unload(name).ok
        return answered

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
            answered = sum(pool.map(work, names))
        finally:
            done.set()
        slowest_s = max(watching.result())
    assert answered == 9 * len(names), "not every call was answered with 200"
    return "each within 2 s" if slowest_s < 2 else f"{slowest_s:.1f} s"


@conforms(LIMITS, "start-up until the first 200", "within 8 minutes")
def test_start_up(started):
    return "within 8 minutes" if started.took_s < 480 else f"{started.took_s:.0f} s"


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
    row = b'"' + b"wort " * 100_000 + b'",Erbgut\n'  # a text may have a million characters
    body = row * (limit // len(row))
    body += b'"' + b" " * (limit - len(body) - len(b'"Wort",Erbgut')) + b'Wort",Erbgut'
    assert len(body) == limit
    return status(platform.ask(loaded, body, Content_Type=CSV))


@conforms(LIMITS, "stop: SIGTERM", "exit code 0 within 30 s, the running request answered")
def test_stop(models_dir):
    mount = f"--volume={models_dir}:/opt/ml/models:ro"
    with container(mount, environment={"SAGEMAKER_MULTI_MODEL": "true"}) as box:
        platform = platform_of(box, models_dir)
        platform.wait_until_healthy()
        name = platform.download("m", PROJECT / "artifacts" / KEYPHRASES)
        platform.load(name).raise_for_status()
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(platform.ask, name, slow_text(), Content_Type=TEXT)
            wait_until_computing(box)
            began_s = time.monotonic()
            code = box.stop()
            took_s = time.monotonic() - began_s
            answered = "the running request answered" if asked.result().ok else "no answer"
    return f"exit code {code} {'within' if took_s < 30 else 'after'} 30 s, {answered}"


def wait_until_computing(box, timeout_s: float = 30) -> None:
    """Until a worker computes, which it does for nothing but a request."""
    deadline_s = time.monotonic() + timeout_s
    while not any(worker.state == "R" for worker in box.workers()):
        assert time.monotonic() < deadline_s, "no worker ever computed"
