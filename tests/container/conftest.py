"""The image under test, unpacked sample artifacts, and the conformance table at the end."""

from __future__ import annotations

import tarfile
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.support import conformance
from tests.support.endpoint import PROJECT
from tests.support.engine import IMAGE, Container, container, engine, run
from tests.support.platform import Platform, models_of, platform_of

if TYPE_CHECKING:
    from pathlib import Path

SIMILARITY, KEYPHRASES = "DocSim.tar.gz", "TopicalPageRank.tar.gz"
DOCUMENT = PROJECT / "docs" / "conformance.md"

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


class Started(NamedTuple):
    """A container as the platform starts it, and what it answered until it was healthy."""

    box: Container
    platform: Platform
    refused: list[tuple[int, int]]
    took_s: float
    first_models: list[dict[str, Any]]


def pytest_addoption(parser):
    parser.addoption("--write-conformance", action="store_true", help=f"write {DOCUMENT}")


@pytest.fixture(scope="session", autouse=True)
def image():
    """The image, which must have been built."""
    names = run("image", "ls", "--quiet", IMAGE)
    assert names, f"{engine()} has no image {IMAGE}: make image"
    return IMAGE


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory) -> Path:
    """The sample artifacts unpacked, each in a folder of its name."""
    folder = tmp_path_factory.mktemp("unpacked")
    for name in (SIMILARITY, KEYPHRASES):
        with tarfile.open(PROJECT / "artifacts" / name) as packed:
            packed.extractall(folder / name, filter="data")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


@pytest.fixture
def models_dir(tmp_path) -> Path:
    """What the container sees as /opt/ml/models."""
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """One container for the tests of a module."""
    models_dir = tmp_path_factory.mktemp("models")
    mount = f"--volume={models_dir}:/opt/ml/models:ro"
    with container(mount, environment=PLATFORM_ENVIRONMENT) as box:
        platform = platform_of(box, models_dir)
        began_s = time.monotonic()
        refused = platform.wait_until_healthy()
        yield Started(
            box, platform, refused, time.monotonic() - began_s, models_of(platform.get("/models"))
        )


@pytest.fixture
def box(started):
    return started.box


@pytest.fixture
def platform(started):
    return started.platform


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


def pytest_terminal_summary(terminalreporter, config):
    table = conformance.TABLE
    if not table.seen:
        return
    terminalreporter.section("conformance")
    for row, seen in table.seen.items():
        mark = "ok  " if seen == row.expected else "FAIL"
        terminalreporter.write_line(f"{mark} {row.section[:3]} {row.row}: {seen}")
    if config.getoption("--write-conformance"):
        DOCUMENT.parent.mkdir(exist_ok=True)
        DOCUMENT.write_text(table.as_markdown(), encoding="utf-8")
