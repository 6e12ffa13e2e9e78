"""The image in the platform's hands when things go wrong: deaths, a stop, little permission."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import requests

from tests.container.conftest import PLATFORM_ENVIRONMENT, SIMILARITY
from tests.support.endpoint import PROJECT
from tests.support.engine import container, volume
from tests.support.platform import Platform, models_of, platform_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.engine import Container

ROW, CSV = "Impfstoff,Erbgut", "text/csv"
ARTIFACT = PROJECT / "artifacts" / SIMILARITY


@contextmanager
def healthy(models_dir, *options: str) -> Iterator[tuple[Container, Platform]]:
    mount = f"--volume={models_dir}:/opt/ml/models:ro"
    with container(mount, *options, environment=PLATFORM_ENVIRONMENT) as box:
        platform = platform_of(box, models_dir)
        platform.wait_until_healthy()
        yield box, platform


@pytest.mark.parametrize("words", ["ModelServer", "mme.prefork"])
def test_a_killed_child_is_replaced_and_what_the_platform_loaded_is_loaded(models_dir, words):
    with healthy(models_dir) as (box, platform):
        names = [platform.download(f"{n}", ARTIFACT) for n in range(3)]
        for name in names:
            platform.load(name).raise_for_status()
        child = next(process for process in box.processes(words) if process.parent == 1)
        box.kill_inside(child.pid)
        wait_until(lambda: child.pid not in [process.pid for process in box.processes(words)])
        answers = [platform.ask(name, ROW, Content_Type=CSV).status_code for name in names]
        assert answers == [200] * 3
        assert sorted(m["modelName"] for m in models_of(platform.get("/models"))) == sorted(names)
        assert platform.invoke("another", ROW, CSV).status != 200  # nothing was downloaded
        platform.download("another one", ARTIFACT)
        assert platform.invoke("another one", ROW, CSV).status == 200
        assert box.stop() == 0


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
            platform.load(name).raise_for_status()
            assert platform.ask(name, ROW, Content_Type=CSV).ok
            assert platform.unload(name).ok
            assert box.stop() == 0


def wait_until(is_so, timeout_s: float = 60) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline_s
