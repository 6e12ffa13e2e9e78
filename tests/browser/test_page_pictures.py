"""The pictures of docs/page.md: a real endpoint with 10,000 models, some of them in use."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import requests

from tests.support.crowd import fill_store, is_complete
from tests.support.endpoint import running_endpoint

COUNT = 10_000
IN_USE = 40
MAX_PICTURE_BYTES = 400_000
BROKEN = "team-08/model-00008-new.tar.gz"


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    with tempfile.TemporaryDirectory(prefix="models-") as folder:
        fill_store(Path(folder), COUNT)
        (Path(folder) / BROKEN).write_bytes(b"no archive")
        settings = {"MME_RESIDENT_MODELS": "12", "MME_MEMORY_LIMIT": "1GiB"}
        with running_endpoint(folder, tmp_path_factory.mktemp("pictures"), settings) as running:
            yield running


@pytest.fixture
def used(endpoint):
    """Requests to some models, more to the first ones, and one to a model that is broken."""
    targets = [f"team-{number % 20:02}/model-{number:05}.tar.gz" for number in range(IN_USE)]
    for place, target in enumerate([BROKEN, *targets, *targets[:12]] + targets[:6] * 15):
        requests.post(
            f"{endpoint.url}/invocations",
            data="Cars with petrol will be banned,A ban on diesel cars" if place else "",
            headers={"Content-Type": "text/csv", "X-Amzn-SageMaker-Target-Model": target},
            timeout=60,
        )
    pinned = requests.put(f"{endpoint.url}/models/{targets[1]}/pin", timeout=60)
    assert pinned.status_code == 200
    return targets


def write(page, path, *, whole=False):
    picture = page.picture(whole=whole)
    assert len(picture) < MAX_PICTURE_BYTES
    path.write_bytes(picture)


def opened(page, endpoint, address=""):
    page.open(f"{endpoint.url}/{address}")
    page.wait_for(is_complete(COUNT + 1))
    page.evaluate("document.querySelector('#heads .requests button').click()")
    page.wait_for("document.querySelector('#rows .requests').textContent")


def test_the_picture_of_the_documentation_shows_the_page(page, endpoint, used, pictures):
    page.resize(1180, 900)
    opened(page, endpoint)
    write(page, pictures / "page.png", whole=True)
    page.look(is_dark=True)
    page.resize(390, 844, scale=1.5)
    page.evaluate("document.getElementById('models').scrollIntoView()")
    write(page, pictures / "page-phone.png")


def test_the_picture_of_the_documentation_shows_a_model(page, endpoint, used, pictures):
    page.resize(720, 1180)
    opened(page, endpoint, f"#model={used[2].replace('/', '%2F')}")
    page.wait_for("document.getElementById('invoke-body').value")
    page.evaluate("document.getElementById('invoke').requestSubmit()")
    page.wait_for("document.getElementById('answer-said').textContent.startsWith('200')")
    page.evaluate("document.getElementById('detail').scrollTop = 0")
    write(page, pictures / "page-model.png")
