"""`mme batch --on ray` on a cluster of two nodes, S3 being moto's: stopped, a node killed, done."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys

import pytest

from tests.support.endpoint import PROJECT, processes_with
from tests.support.ray_nodes import ray_nodes
from tests.support.s3 import running_s3
from tests.support.waiting import eventually

pytest.importorskip("ray", reason="the extra mme[ray] is not installed")

INPUTS = 40
ROWS = 3
WAIT_S = 400.0
"""For what a quiet machine does in ten seconds: two nodes and two engines start side by side."""
LOST = "is lost: others do what it did"
pytestmark = pytest.mark.timeout(1500)
LIGHT = {"MME_POOL_MIN": "1", "MME_POOL_MAX": "1", "MME_PRELOAD_LANGUAGES": ""}
"""The engines' settings that are the nodes' own."""


@pytest.fixture(scope="module")
def s3():
    with running_s3() as server:
        client = server.client()
        for bucket in ("models", "data"):
            client.create_bucket(Bucket=bucket)
        client.upload_file(str(PROJECT / "artifacts" / "DocSim.tar.gz"), "models", "DocSim.tar.gz")
        for number in range(INPUTS):
            rows = "".join(f"satz {number} {row},ein satz\n" for row in range(ROWS))
            client.put_object(Bucket="data", Key=f"in/{number:02}.csv", Body=rows.encode())
        yield server


@pytest.fixture(scope="module")
def cluster(s3):
    settings = {
        "AWS_ENDPOINT_URL_S3": s3.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        **LIGHT,
    }
    with ray_nodes(settings) as nodes:
        yield nodes


class Batches:
    """Runs of one `mme batch` on the cluster, one after the other."""

    def __init__(self, cluster, folder):
        self._summary, self._log = folder / "summary.json", folder / "log"
        self._command = [
            sys.executable, "-m", "mme", "batch", "--on", "ray", "--input", "s3://data/in/",
            "--output", "s3://data/out/", "--target-model", "DocSim.tar.gz", "--split-type", "Line",
            "--batch-strategy", "SingleRecord", "--accept", "text/csv", "--assemble-with", "Line",
            "--join-source", "Input", "--summary", str(self._summary),
        ]  # fmt: skip
        settings = {"MME_STORE": "s3://models/", "MME_STATE_DIR": str(folder / "state")}
        self._environment = {**cluster.environment, **settings}
        self.started = []

    def start(self, **changes):
        with self._log.open("a") as log:
            process = subprocess.Popen(
                self._command,
                cwd=PROJECT,
                env=self._environment | changes,
                stdout=log,
                stderr=log,
            )
        self.started.append(process)
        return process

    def summary(self):
        return json.loads(self._summary.read_text())

    def log(self):
        return self._log.read_text()


@pytest.fixture
def batch(cluster, tmp_path):
    batches = Batches(cluster, tmp_path)
    yield batches
    for process in batches.started:
        if process.poll() is None:
            process.kill()
        process.wait()


def outputs(s3):
    found = s3.client().list_objects_v2(Bucket="data", Prefix="out/").get("Contents", [])
    return {each["Key"]: each["LastModified"] for each in found}


def engines(cluster):
    return [each for each in processes_with(str(cluster.folder)) if "-m mme serve" in each]


def signal_engines(cluster, number):
    for each in engines(cluster):
        os.kill(int(each.partition(":")[0]), number)


def until_outputs(s3, count, process, batch):
    def are_there(found):
        assert process.poll() is None or len(found) >= count, batch.log()
        return len(found) >= count

    return eventually(lambda: outputs(s3), are_there, WAIT_S)


def test_stopped_and_with_a_node_killed_each_record_is_answered_once(cluster, batch, s3):
    first = batch.start()
    until_outputs(s3, 4, first, batch)
    first.send_signal(signal.SIGINT)
    assert first.wait(WAIT_S) == 130, batch.log()
    stopped = batch.summary()
    assert 0 < stopped["done"] < INPUTS
    assert eventually(lambda: engines(cluster), lambda left: not left) == []

    second = batch.start()
    until_outputs(s3, len(outputs(s3)) + 1, second, batch)
    eventually(lambda: engines(cluster), lambda found: len(found) == 2, WAIT_S)
    signal_engines(cluster, signal.SIGSTOP)  # so that inputs are left when the loss is seen
    cluster.kill_second()
    eventually(batch.log, lambda text: LOST in text, WAIT_S)
    signal_engines(cluster, signal.SIGCONT)
    assert second.wait(WAIT_S) == 0, batch.log()
    summary = batch.summary()
    assert summary["already_done"] == stopped["done"]
    assert (summary["done"], summary["failed"]) == (INPUTS - stopped["done"], 0)
    assert summary["records"] == ROWS * summary["done"]

    before = outputs(s3)
    for number in range(INPUTS):
        body = s3.client().get_object(Bucket="data", Key=f"out/{number:02}.csv.out")["Body"].read()
        rows = list(csv.reader(body.decode().splitlines()))
        assert [row[0] for row in rows] == [f"satz {number} {row}" for row in range(ROWS)]
        assert all(0 <= float(row[2]) <= 1 for row in rows)
    assert batch.start().wait(WAIT_S) == 0
    assert (batch.summary()["done"], batch.summary()["already_done"]) == (0, INPUTS)
    assert outputs(s3) == before


def test_an_engine_that_does_not_start_ends_the_run_and_says_why(cluster, batch, s3):
    s3.client().put_object(Bucket="data", Key="in/new.csv", Body=b"ein satz,noch einer\n")
    process = batch.start(MME_STORE="s3:///models/")
    assert process.wait(WAIT_S) == 1
    assert "can do no input: its engine does not start: " in batch.log()
    assert "the model store 's3:///models/' names no bucket" in batch.log()
    assert eventually(lambda: engines(cluster), lambda left: not left) == []


def test_a_node_with_another_version_says_which():
    from mme.cli.ray_piece import NodeUnfit, Work, transform_piece  # noqa: PLC0415 - an extra
    from mme.jobs.transform.inputs import Input  # noqa: PLC0415
    from mme.jobs.transform.places import ObjectRef  # noqa: PLC0415
    from mme.jobs.transform.spec import Transform  # noqa: PLC0415
    from mme.jobs.transform.targets import OneTarget  # noqa: PLC0415

    work = Work("run", Transform(), OneTarget("m"), (True, True), version="0.0.7")
    source = Input("a", ObjectRef("s3://data/in/a", "1", 1), "s3://data/out/a.out")
    with pytest.raises(NodeUnfit, match=r"the command is of 0\.0\.7"):
        transform_piece(work, source)
