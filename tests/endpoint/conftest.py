"""One endpoint for all black-box tests, on a store with good, broken and hostile artifacts.

With `MME_TEST_ENDPOINT=http://...` it is one that runs already, with the sample artifacts at least;
tests that need the other artifacts are left out.
"""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from models.DocSim.prepare import prepare_documents
from models.mapped.folder import MAGIC
from tests.support import archives
from tests.support.endpoint import PROJECT, running_endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.endpoint import Endpoint

KEYPHRASES = "TopicalPageRank.tar.gz"
SIMILARITY = "DocSim.tar.gz"
SEARCH = "Search.tar.gz"
REMOTE = os.environ.get("MME_TEST_ENDPOINT")


def library(artifact: Path) -> bytes:
    """The artifact with two prepared documents and a taxonomy."""
    with tempfile.TemporaryDirectory() as name, tarfile.open(artifact) as archive:
        folder = Path(name)
        archive.extractall(folder, filter="data")
        table = folder / "documents.csv"
        table.write_text("id,claim_text\na,Der Strom ist teuer\nb,Masken und Impfstoff\n")
        prepare_documents(folder, table)
        table.unlink()
        taxonomy = {"similarity-threshold": 1, "Gesundheit": {"Impfung": ["Impfstoff"]}}
        (folder / "DocSim-taxonomy.json").write_text(json.dumps(taxonomy))
        return archives.tar_gz({path.name: path.read_bytes() for path in folder.iterdir()})


def fill_store(folder: Path) -> None:
    """The shipped artifacts, one of them in another folder too, and what must be refused."""
    for place in ("", "en"):
        (folder / place).mkdir(parents=True, exist_ok=True)
        for name in (KEYPHRASES, SIMILARITY, SEARCH):
            shutil.copy(PROJECT / "artifacts" / place / name, folder / place / name)
    (folder / "de").mkdir()
    shutil.copy(PROJECT / "artifacts" / SIMILARITY, folder / "de" / SIMILARITY)
    (folder / "library.tar.gz").write_bytes(library(folder / SIMILARITY))
    (folder / "garbage.tar.gz").write_bytes(b"this is no archive")
    (folder / "truncated.tar.gz").write_bytes((folder / SIMILARITY).read_bytes()[:2000])
    (folder / "climbing.tar.gz").write_bytes(archives.tar_gz({"../climbed": b"x"}))
    (folder / "strange.tar.gz").write_bytes(archives.tar_gz({"readme.txt": b"no model here"}))
    # Of one test alone: that it was refused is remembered, and a second load is none.
    (folder / "notes.tar.gz").write_bytes(archives.tar_gz({"notes.txt": b"no model here"}))
    params = b'{"language": "de"}'
    (folder / "hollow.tar.gz").write_bytes(archives.tar_gz({"DocSim-params.json": params}))
    (folder / "damaged.tar.gz").write_bytes(
        archives.tar_gz({"Search-params.json": params, "Search-model": MAGIC + b"\xff" * 64})
    )
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


@dataclass(frozen=True)
class RemoteEndpoint:
    """An endpoint somebody else runs."""

    url: str

    def client(self) -> Any:
        return boto3.client(
            "sagemaker-runtime",
            endpoint_url=self.url,
            region_name="eu-central-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=70),
        )


@pytest.fixture(scope="session")
def own_store() -> None:
    """For tests that need more than the sample artifacts, or to see the endpoint's files."""
    if REMOTE:
        pytest.skip("the endpoint of MME_TEST_ENDPOINT has a store of its own")


@pytest.fixture(scope="session")
def store_dir(own_store, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    fill_store(folder)
    return folder


@pytest.fixture(scope="session", params=["remote"] if REMOTE else ["door", "mms"])
def endpoint(request, tmp_path_factory) -> Iterator[Endpoint | RemoteEndpoint]:
    """An endpoint; one of our own is tried with both ways to ask workers."""
    if REMOTE:
        yield RemoteEndpoint(REMOTE.rstrip("/"))
        return
    store = str(request.getfixturevalue("store_dir"))
    settings = {"MME_INVOKE": request.param}
    with running_endpoint(store, tmp_path_factory.mktemp("endpoint"), settings) as running:
        yield running


@pytest.fixture(scope="session")
def runtime(endpoint):
    return endpoint.client()
