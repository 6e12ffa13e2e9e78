"""The image in the platform's hands: a life of many models, deaths, limits, little permission."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import requests

from tests.container.conftest import KEYPHRASES, PLATFORM_ENVIRONMENT, SIMILARITY
from tests.support.ballast import narrow_container, with_ballast
from tests.support.endpoint import PROJECT
from tests.support.engine import container, volume
from tests.support.platform import Platform, models_of, platform_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.engine import Container

MIB = 1024 * 1024
ROW, CSV, TEXT = "Impfstoff,Erbgut", "text/csv", "text/plain"
ARTIFACT = PROJECT / "artifacts" / SIMILARITY
COUNT_TASKS = """
import os
print(sum(len(os.listdir(f"/proc/{pid}/task")) for pid in os.listdir("/proc") if pid.isdigit()))
"""


@contextmanager
def healthy(
    models_dir: Path, *options: str, **settings: str
) -> Iterator[tuple[Container, Platform]]:
    mount = f"--volume={models_dir}:/opt/ml/models:ro"
    with container(mount, *options, environment=PLATFORM_ENVIRONMENT | settings) as box:
        platform = platform_of(box, models_dir)
        platform.wait_until_healthy()
        yield box, platform


def loaded_names(platform: Platform) -> list[str]:
    return sorted(each["modelName"] for each in models_of(platform.get("/models?limit=1000")))


def ask(platform: Platform, name: str) -> int:
    return platform.ask(name, ROW, Content_Type=CSV).status_code


def test_loaded_models_have_no_process_of_their_own(models_dir, unpacked):
    with healthy(models_dir) as (box, platform):
        before = sorted(each.pid for each in box.processes("/"))
        names = [
            platform.link(f"{n}", unpacked / (SIMILARITY if n % 2 else KEYPHRASES))
            for n in range(40)
        ]
        for name in names:
            assert platform.load(name).status_code == 200
        assert loaded_names(platform) == sorted(names)
        for name in names:
            assert platform.get(f"/models/{name}").status_code == 200
            assert platform.ask(name, ROW, Content_Type=TEXT).status_code in (200, 415)
        assert sorted(each.pid for each in box.processes("/")) == before
        for name in names:
            assert platform.unload(name).status_code == 200
        assert loaded_names(platform) == []
        assert sorted(each.pid for each in box.processes("/")) == before
        assert box.stop() == 0


@pytest.mark.parametrize("victim", ["workers", "launchers", "template", "model server"])
def test_what_the_platform_loaded_stays_loaded_and_answers_whoever_dies(models_dir, victim):
    with healthy(models_dir) as (box, platform):
        names = [platform.download(f"{n}", ARTIFACT) for n in range(3)]
        for name in names:
            platform.load(name).raise_for_status()
        pids = {
            "workers": box.worker_pids,
            "launchers": lambda: [each.pid for each in box.processes("/bin/sh")],
            "template": lambda: [box.template().pid],
            "model server": lambda: [box.processes("ModelServer")[0].pid],
        }[victim]()
        assert pids
        box.kill_inside(*pids)
        assert [ask(platform, name) for name in names] == [200] * 3
        wait_until(lambda: not set(pids) & {each.pid for each in box.processes()})
        assert [ask(platform, name) for name in names] == [200] * 3
        assert loaded_names(platform) == sorted(names)
        assert platform.invoke("another", ROW, CSV).status != 200  # nothing was downloaded
        platform.download("another one", ARTIFACT)
        assert platform.invoke("another one", ROW, CSV).status == 200
        assert platform.unload(names[0]).status_code == 200
        assert ask(platform, names[0]) == 404
        assert box.stop() == 0


def test_a_death_in_the_middle_of_requests_fails_none_that_had_not_begun(models_dir):
    with healthy(models_dir) as (box, platform):
        name = platform.download("m", ARTIFACT)
        platform.load(name).raise_for_status()
        with ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(ask, platform, name) for _ in range(400)]
            for _ in range(3):
                box.kill_inside(*box.worker_pids())
            answers = [each.result() for each in asked]
        # A worker computes one request at a time, so so many may have gone with it.
        assert set(answers) <= {200, 502}
        assert answers.count(502) <= 3 * 6
        assert ask(platform, name) == 200


def test_a_stop_while_models_load_ends_it_in_time(models_dir):
    with healthy(models_dir) as (box, platform):
        names = [platform.download(f"{n}", ARTIFACT) for n in range(12)]

        def load(name: str) -> int:
            try:
                return platform.load(name).status_code
            except requests.ConnectionError:
                return 0

        with ThreadPoolExecutor(12) as pool:
            loading = [pool.submit(load, name) for name in names]
            wait_until(lambda: any(each.done() for each in loading))
            began_s = time.monotonic()
            assert box.stop() == 0
            assert time.monotonic() - began_s < 30
            assert {each.result() for each in loading} <= {0, 200, 500, 502, 503}


def test_any_user_may_run_it_with_a_read_only_root_and_one_volume(models_dir):
    name = Platform("", models_dir).download("m", ARTIFACT)
    for path in (models_dir, *models_dir.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    with volume() as kept:
        options = ("--user=1000", "--read-only", "--cap-drop=ALL", f"--volume={kept}:/var/lib/mme")
        with healthy(models_dir, *options) as (box, platform):
            assert box.python("import os; print(os.getuid())") == "1000"
            platform.load(name).raise_for_status()
            assert ask(platform, name) == 200
            box.kill_inside(*box.worker_pids())
            assert ask(platform, name) == 200
            assert platform.unload(name).ok
            assert box.stop() == 0


def test_too_little_memory_refuses_no_load(models_dir, unpacked):
    # More is used from the start than shall be, so each model leaves as soon as it may.
    marks = {"MME_MEMORY_HIGH": "0.1", "MME_MEMORY_LOW": "0.05"}
    with healthy(models_dir, "--memory=420m", **marks) as (box, platform):
        names = [
            platform.link(f"{n}", unpacked / (SIMILARITY if n % 2 else KEYPHRASES))
            for n in range(80)
        ]
        assert [platform.load(name).status_code for name in names] == [200] * 80
        kinds = (TEXT, "Neue Steuer auf Strom"), (CSV, ROW)
        answers = [
            platform.ask(name, kinds[n % 2][1], Content_Type=kinds[n % 2][0]).status_code
            for _ in range(2)
            for n, name in enumerate(names)
        ]
        assert answers == [200] * 160
        assert "evicted" in box.log
        assert loaded_names(platform) == sorted(names)
        assert box.memory_kills() == 0
        assert box.stop() == 0


def test_few_tasks_refuse_no_load(models_dir, unpacked):
    with healthy(models_dir, "--pids-limit=64") as (box, platform):
        names = [platform.link(f"{n}", unpacked / SIMILARITY) for n in range(40)]
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(lambda name: platform.load(name).status_code, names)) == {200}
            assert set(pool.map(lambda name: ask(platform, name), names)) == {200}
        assert int(box.python(COUNT_TASKS)) < 64
        assert box.stop() == 0


def test_models_with_processes_of_their_own_leave_when_tasks_are_few(tmp_path, unpacked):
    with narrow_container(tmp_path, "--pids-limit=100") as (box, platform):
        light = with_ballast(unpacked / SIMILARITY, MIB)
        for n in range(14):  # a process of each would take more than a hundred tasks
            platform.link(f"{n}", light)
        answers = [platform.invoke(f"{n % 14}", ROW, CSV).status for n in range(28)]
        assert answers == [200] * 28
        assert platform.unloads_for_room == 0
        assert 0 < len(box.worker_pids()) < 14
        assert len(loaded_names(platform)) == 14
        assert box.stop() == 0


def test_every_answer_has_an_id_which_stands_in_the_log_with_what_was_done(models_dir):
    with healthy(models_dir) as (box, platform):
        name = platform.download("m", ARTIFACT)
        first = [
            (platform.load(name), f"POST /models 200 .* load {name}"),
            (platform.ask(name, ROW, Content_Type=CSV), f"POST /models/{name}/invoke 200 .*"),
            (platform.ask(name, ROW, Content_Type=CSV), f"POST /models/{name}/invoke 200 .* warm"),
            (platform.ask("x", ROW, Content_Type=CSV), "POST /models/x/invoke 404 .* 'x' .*"),
            (platform.unload(name), f"DELETE /models/{name} 200 .* unload {name}"),
        ]
        box.wait_for_log("unload ")
        lines = box.log.splitlines()
        for answer, form in first:
            (line,) = [line for line in lines if answer.headers["x-amzn-RequestId"] in line]
            assert re.search(form, line), line
        assert not any(" /ping " in line for line in lines)
        assert len({answer.headers["x-amzn-RequestId"] for answer, _ in first}) == len(first)
        assert box.stop() == 0
        assert "mme.app.multi_model: stopped" in box.log


def wait_until(is_so, timeout_s: float = 60) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline_s
