"""What the platform does with the answers, row by row; see docs/conformance.md."""

from __future__ import annotations

import requests

from tests.container.conftest import KEYPHRASES, SIMILARITY
from tests.support.ballast import narrow_container, with_ballast
from tests.support.conformance import REACTIONS, conforms
from tests.support.endpoint import PROJECT
from tests.support.platform import OK, models_of

MIB = 1024 * 1024
ROW = "Impfstoff,Erbgut"
CSV, TEXT = "text/csv", "text/plain"


# 1.2


@conforms(REACTIONS, "load 200", "the waiting invocation is answered: 200")
def test_a_cold_invocation(platform, waiting):
    target = f"cold {waiting}"
    platform.download(target, PROJECT / "artifacts" / KEYPHRASES)
    answer = platform.invoke(target, "Neue Steuer auf Strom", TEXT)
    platform.unload(platform.name_of(target))
    return f"the waiting invocation is answered: {answer.status}"


@conforms(
    REACTIONS, "loads beyond the memory: 507, unload, load again",
    "never needed: 200 for each of 12 models in room for 6, and again",
)  # fmt: skip
def test_room_is_made_without_the_platform(unpacked, tmp_path):
    base_bytes, each_bytes = 260 * MIB, 40 * MIB
    ballasted = with_ballast(unpacked / SIMILARITY, each_bytes)
    limit = f"--memory={int((base_bytes + 6 * each_bytes) / 0.85)}"
    with narrow_container(tmp_path, limit) as (box, platform):
        for n in range(12):
            platform.link(f"{n}", ballasted)
        answers = [platform.invoke(f"{n % 12}", ROW, CSV).status for n in range(24)]
        listed = models_of(platform.get("/models"))
        assert "evicted" in box.log
        assert box.memory_kills() == 0
        assert len(listed) == 12
    needed = "never needed" if platform.unloads_for_room == 0 else "needed"
    every = "200 for each of 12 models in room for 6, and again"
    return f"{needed}: {every if answers == [OK] * 24 else answers}"


@conforms(REACTIONS, "load 507 for what can never fit", "ModelError 424, original status 507")
def test_the_caller_hears_what_can_never_fit(unpacked, tmp_path):
    with narrow_container(tmp_path, "--memory=512m") as (_, platform):
        platform.link("huge", with_ballast(unpacked / SIMILARITY, 1024 * MIB))
        answer = platform.invoke("huge", ROW, CSV)
        assert b"MiB" in answer.body
    return f"ModelError {answer.status}, original status {answer.original_status}"


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


@conforms(
    REACTIONS, "all workers, the template, the model server killed",
    "each time 200 at once, still listed",
)  # fmt: skip
def test_deaths_are_not_the_platforms_business(box, platform, loaded):
    for victims in (
        box.worker_pids,
        lambda: [box.template().pid],
        lambda: [box.processes("ModelServer")[0].pid],
    ):
        box.kill_inside(*victims())
        answer = platform.ask(loaded, ROW, Content_Type=CSV)
        listed = [model["modelName"] for model in models_of(platform.get("/models"))]
        if not answer.ok or listed != [loaded]:
            return f"{answer.status_code} {answer.text}, {listed}"
    box.wait_until("/ping")
    return "each time 200 at once, still listed"
