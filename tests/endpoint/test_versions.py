"""Aliases of a real endpoint: switched under load, rolled back, deployed; a folder and S3."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.archives import tar_gz
from tests.support.endpoint import PROJECT, running_endpoint
from tests.support.s3 import running_s3

pytestmark = pytest.mark.usefixtures("own_store")
ARTIFACT = PROJECT / "artifacts" / "DocSim.tar.gz"
PAIR = b'"Der Impfstoff ver\xc3\xa4ndert das Erbgut.","Ein Impfstoff gegen Corona"\n'
PERIOD_S = 0.3
MEANT, VERSION = "x-mme-target-model", "x-mme-model-version"


class Shelf:
    """A store, filled from outside of the endpoint; and `mme alias` on it."""

    def __init__(self, uri: str, environment: dict[str, str], write: Any) -> None:
        self.uri, self.environment, self.write = uri, environment, write

    def put(self, target: str, content: bytes | None = None) -> None:
        self.write(target, ARTIFACT.read_bytes() if content is None else content)

    def alias(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        program = "import sys; from mme.cli.main import main; sys.exit(main(sys.argv[1:]))"
        return subprocess.run(
            [sys.executable, "-c", program, "alias", *arguments, "--store", self.uri],
            cwd=PROJECT, capture_output=True, text=True, check=False, timeout=60,
            env=os.environ | self.environment | {"PYTHONPATH": str(PROJECT)},
        )  # fmt: skip


@pytest.fixture(params=["folder", "s3"])
def shelf(request, tmp_path):
    if request.param == "folder":
        folder = tmp_path / "store"
        folder.mkdir()

        def write(target: str, content: bytes) -> None:
            partial = folder / uuid.uuid4().hex
            partial.write_bytes(content)
            partial.replace(folder / target)

        yield Shelf(str(folder), {}, write)
        return
    with running_s3() as server:
        server.client().create_bucket(Bucket="models")
        environment = {
            "AWS_ENDPOINT_URL_S3": server.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }

        def write(target: str, content: bytes) -> None:
            server.client().put_object(Bucket="models", Key=f"all/{target}", Body=content)

        yield Shelf("s3://models/all/", environment, write)


@contextlib.contextmanager
def running(shelf, tmp_path, **settings):
    terms = shelf.environment | {"MME_STORE_CHECK_S": str(PERIOD_S)} | settings
    with running_endpoint(shelf.uri, tmp_path / "endpoint", terms) as endpoint:
        yield endpoint


def ask(client, target="DocSim"):
    answer = client.invoke_endpoint(
        EndpointName="demo", TargetModel=target, ContentType="text/csv", Body=PAIR
    )
    answer["Body"].read()
    return answer["ResponseMetadata"]["HTTPHeaders"]


class Load:
    """Clients that ask for an alias all the time, and note what answered."""

    def __init__(self, endpoint, clients=2):
        self.answered: list[str] = []
        self.failures: list[Exception] = []
        self._is_over = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(endpoint.client(),)) for _ in range(clients)
        ]

    def _ask(self, client):
        while not self._is_over.is_set():
            try:
                self.answered.append(ask(client)[MEANT])
            except Exception as error:  # noqa: BLE001 - all of them count
                self.failures.append(error)

    def wait_for(self, target, timeout_s=60.0):
        """Return when `target` answers."""
        until_s = time.monotonic() + timeout_s
        while target not in self.answered[-4:]:
            assert time.monotonic() < until_s, f"{target} has not answered: {self.failures[:1]}"
            self._is_over.wait(0.02)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object):
        self._is_over.set()
        for thread in self._threads:
            thread.join()


def test_an_alias_is_switched_and_rolled_back_under_load_without_a_failed_request(shelf, tmp_path):
    for version_id in ("1", "2", "3"):
        shelf.put(f"DocSim-{version_id}.tar.gz")
    assert shelf.alias("set", "DocSim", "1").returncode == 0
    with running(shelf, tmp_path) as endpoint, Load(endpoint) as load:
        load.wait_for("DocSim-1.tar.gz")
        for version_id in ("2", "3"):
            assert shelf.alias("set", "DocSim", version_id).returncode == 0
            load.wait_for(f"DocSim-{version_id}.tar.gz")
        assert shelf.alias("rollback", "DocSim").returncode == 0
        load.wait_for("DocSim-2.tar.gz")
        assert shelf.alias("rollback", "DocSim").returncode == 0
        load.wait_for("DocSim-1.tar.gz")
        assert load.failures == []
        model = requests.get(f"{endpoint.url}/models/DocSim", timeout=10).json()
        assert (model["target_model"], model["aliases"]) == ("DocSim-1.tar.gz", ["DocSim"])
        assert ask(endpoint.client())[VERSION] == model["version"]


def test_a_broken_artifact_is_not_switched_to(shelf, tmp_path):
    shelf.put("DocSim-1.tar.gz")
    shelf.put("DocSim-2.tar.gz", b"no archive")
    shelf.alias("set", "DocSim", "1")
    with running(shelf, tmp_path) as endpoint, Load(endpoint) as load:
        load.wait_for("DocSim-1.tar.gz")
        shelf.alias("set", "DocSim", "2")
        endpoint.wait_for_log("DocSim goes on meaning DocSim-1.tar.gz")
        (alias,) = requests.get(f"{endpoint.url}/aliases", timeout=10).json()["aliases"]
        assert alias.pop("reason").startswith("The artifact ")
        assert alias == {
            "alias": "DocSim", "target_model": "DocSim-1.tar.gz", "wanted": "DocSim-2.tar.gz",
            "state": "refused",
        }  # fmt: skip
        shelf.put("DocSim-2.tar.gz")
        load.wait_for("DocSim-2.tar.gz")
        assert load.failures == []


def with_sample(body):
    """The artifact with a sample request."""
    import tarfile  # noqa: PLC0415

    with tarfile.open(ARTIFACT) as archive:
        files = {
            name: file.read()
            for name in archive.getnames()
            if (file := archive.extractfile(name)) is not None
        }
    sample = {"ContentType": "text/csv", "Body": body}
    return tar_gz(files | {"sample-request.json": json.dumps(sample).encode()})


def test_new_artifacts_are_deployed_if_they_are_fit_to(shelf, tmp_path):
    shelf.put("DocSim-1.tar.gz")
    shelf.alias("set", "DocSim", "1")
    with running(shelf, tmp_path, MME_DEPLOY="latest") as endpoint, Load(endpoint) as load:
        load.wait_for("DocSim-1.tar.gz")
        for version_id, content, reason in (
            ("2", b"no archive", "was refused"),
            ("3", with_sample("one text alone"), "answers its own sample-request.json with 400"),
            ("4", (PROJECT / "artifacts/Search.tar.gz").read_bytes(), "its family is 'Search'"),
        ):
            shelf.put(f"DocSim-{version_id}.tar.gz", content)
            endpoint.wait_for_log(f"DocSim-{version_id}.tar.gz is not deployed as DocSim: ")
            assert reason in endpoint.log
            assert shelf.alias("get", "DocSim").stdout == "1\n"
        shelf.put("DocSim-5.tar.gz", with_sample("Impfstoff,Corona"))
        load.wait_for("DocSim-5.tar.gz")
        assert shelf.alias("get", "DocSim").stdout == "5\n"
        assert load.failures == []
        assert endpoint.log.count("is not deployed as") == 3
        assert set(load.answered) == {"DocSim-1.tar.gz", "DocSim-5.tar.gz"}
        assert shelf.alias("rollback", "DocSim").stdout == "DocSim: 5 -> 1 (DocSim-1.tar.gz)\n"
        load.wait_for("DocSim-1.tar.gz")


def test_two_endpoints_on_a_store_agree(shelf, tmp_path):
    shelf.put("DocSim-1.tar.gz")
    shelf.alias("set", "DocSim", "1")
    with (
        running(shelf, tmp_path / "one", MME_DEPLOY="latest") as one,
        running(shelf, tmp_path / "two", MME_DEPLOY="latest") as two,
        Load(one, 1) as load,
        Load(two, 1) as other,
    ):
        shelf.put("DocSim-2.tar.gz")
        for each in (load, other):
            each.wait_for("DocSim-2.tar.gz")
            assert each.failures == []
        history = json.loads(shelf.alias("history", "DocSim", "--json").stdout)
        assert [(entry["how"], entry["id"]) for entry in history] == [("set", "1"), ("deploy", "2")]


def test_an_unknown_alias_is_a_validation_error_that_names_all_that_was_tried(shelf, tmp_path):
    with running(shelf, tmp_path) as endpoint:
        client = endpoint.client()
        with pytest.raises(client.exceptions.ValidationError) as caught:
            ask(client)
        message = caught.value.response["Message"]
        assert "/DocSim, there is no such object, and no " in message
        assert "models-id.json that would make it an alias" in message
        assert str(Path(tmp_path)) not in message
