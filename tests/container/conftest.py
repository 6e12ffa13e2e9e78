"""The image under test, unpacked sample artifacts, and the conformance table at the end."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

import pytest

from tests.support import conformance
from tests.support.endpoint import PROJECT
from tests.support.engine import IMAGE, engine, run

if TYPE_CHECKING:
    from pathlib import Path

SIMILARITY, KEYPHRASES = "DocSim.tar.gz", "TopicalPageRank.tar.gz"
DOCUMENT = PROJECT / "docs" / "conformance.md"


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
