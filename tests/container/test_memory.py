"""A gibibyte and a working set several times that: models come and go, the kernel kills nothing."""

from __future__ import annotations

import io
import random
import tarfile
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.container.conftest import SIMILARITY
from tests.support.ballast import HANDLERS, narrow_container, with_ballast
from tests.support.engine import container
from tests.support.platform import models_of

LIMIT = "--memory=1g"
HEAVY = f"--volume={HANDLERS}:/handlers:ro"
HANDLER = {"MME_HANDLER": "/handlers/heavy_handler.py"}
MODELS, REQUESTS = 60, 150
BALLAST_BYTES = 48 * 1024 * 1024
"""What each model takes beside itself; sixty of them take three times what there is."""
ROW, CSV = "Impfstoff,Erbgut", "text/csv"
TARGET = "X-Amzn-SageMaker-Target-Model"


def asked() -> list[int]:
    """Which models are asked for: few often, many seldom."""
    weights = [1 / (rank + 1) for rank in range(MODELS)]
    return random.Random(7).choices(range(MODELS), weights, k=REQUESTS)  # noqa: S311


@pytest.fixture(scope="module")
def heavy(unpacked):
    """An unpacked artifact with ballast."""
    return with_ballast(unpacked / SIMILARITY, BALLAST_BYTES)


def test_in_a_multi_model_container_models_leave_without_the_platform_and_nothing_is_killed(
    heavy, tmp_path
):
    with narrow_container(tmp_path, LIMIT) as (box, platform):
        for n in range(MODELS):
            platform.link(f"{n}", heavy)
        answers = [platform.invoke(f"{n}", ROW, CSV) for n in asked()]
        failures = [answer.body for answer in answers if answer.status != 200]
        assert failures == []
        assert platform.unloads_for_room == 0
        assert len(models_of(platform.get("/models?limit=1000"))) == len(set(asked()))
        assert "evicted" in box.log
        assert box.memory_kills() == 0
        assert box.stop() == 0


def test_a_standalone_endpoint_evicts_and_nothing_is_killed(heavy, tmp_path):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as archive:
        for file in heavy.iterdir():
            archive.add(file, file.name)
    for n in range(MODELS):
        (tmp_path / f"{n}.tar.gz").write_bytes(packed.getvalue())
    mounts = (f"--volume={tmp_path}:/store:ro", HEAVY)
    with container(*mounts, LIMIT, environment=HANDLER | {"MME_STORE": "/store"}) as box:
        box.wait_until("/ping")

        def ask(n: int) -> requests.Response:
            return requests.post(
                f"{box.url}/invocations",
                data=ROW,
                headers={TARGET: f"{n}.tar.gz", "Content-Type": CSV},
                timeout=70,
            )

        with ThreadPoolExecutor(3) as pool:
            answers = list(pool.map(ask, asked()))
        failures = [answer.text for answer in answers if answer.status_code != 200]
        assert failures == []
        assert "evicted" in box.log
        assert box.memory_kills() == 0
        assert box.stop() == 0
