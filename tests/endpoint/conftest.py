"""One endpoint for all black-box tests, on a store with good, broken and hostile artifacts."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support import archives
from tests.support.endpoint import PROJECT, running_endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.endpoint import Endpoint

KEYPHRASES = "TopicalPageRank.tar.gz"
SIMILARITY = "DocSim.tar.gz"


def fill_store(folder: Path) -> None:
    """The shipped artifacts, one of them in a folder too, and what must be refused."""
    (folder / "de").mkdir(parents=True)
    for name in (KEYPHRASES, SIMILARITY):
        shutil.copy(PROJECT / "artifacts" / name, folder / name)
    shutil.copy(PROJECT / "artifacts" / SIMILARITY, folder / "de" / SIMILARITY)
    (folder / "garbage.tar.gz").write_bytes(b"this is no archive")
    (folder / "truncated.tar.gz").write_bytes((folder / SIMILARITY).read_bytes()[:2000])
    (folder / "climbing.tar.gz").write_bytes(archives.tar_gz({"../climbed": b"x"}))
    (folder / "strange.tar.gz").write_bytes(archives.tar_gz({"readme.txt": b"no model here"}))
    params = b'{"language": "de"}'
    (folder / "hollow.tar.gz").write_bytes(archives.tar_gz({"DocSim-params.json": params}))
    (folder / "hostile.tar.gz").write_bytes(
        archives.tar_gz(
            {
                "DocSim-params.json": params,
                # A pickle that would create a file: os.system("touch pwned").
                "DocSim-model": b"cos\nsystem\n(S'touch "
                + str(folder / "pwned").encode()
                + b"'\ntR.",
            }
        )
    )


@pytest.fixture(scope="session")
def store_dir(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    fill_store(folder)
    return folder


@pytest.fixture(scope="session")
def endpoint(store_dir, tmp_path_factory) -> Iterator[Endpoint]:
    with running_endpoint(str(store_dir), tmp_path_factory.mktemp("endpoint")) as running:
        yield running


@pytest.fixture(scope="session")
def runtime(endpoint):
    return endpoint.client()
