"""HAProxy's configuration: each file of containers is taken, each way to name a model is read."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
import yaml

from tests.support.endpoint import PROJECT
from tests.support.haproxy import CONFIGURATION, running_haproxy

DEPLOY = PROJECT / "deploy"
FILES = [DEPLOY / name / "servers.cfg" for name in ("haproxy", "compose", "kubernetes/spread")]
SERVER = re.compile(r'^ +server (\S+) "?([^"\s]+)"? id (\d+)$', re.MULTILINE)
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
MODEL = "de/a b.tar.gz"
QUOTED = "de%2Fa%20b.tar.gz"


class Ready(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()


@pytest.fixture(scope="module")
def balancer():
    """One that says of each request which model it reads in it."""
    said = "http-request return status 200 hdr X-Target %[var(txn.target)]"
    with ThreadingHTTPServer(("127.0.0.1", 0), Ready) as container:
        thread = threading.Thread(target=container.serve_forever)
        thread.start()
        try:
            with running_haproxy({"mme1": container.server_port}, said) as running:
                yield running
        finally:
            container.shutdown()
            thread.join()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_haproxy_takes_each_file_of_containers(file):
    checked = subprocess.run(
        ["haproxy", "-c", "-f", CONFIGURATION, "-f", file],
        env=os.environ | {"NAMESPACE": "default"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_each_container_has_a_place_of_its_own_on_the_ring(file):
    servers = SERVER.findall(file.read_text())
    assert len(servers) >= 4
    for each in zip(*servers, strict=True):
        assert len(set(each)) == len(servers)


def test_compose_starts_the_containers_that_haproxy_is_told_of():
    services = yaml.safe_load((DEPLOY / "compose" / "docker-compose.yml").read_text())["services"]
    told = {address for _, address, _ in SERVER.findall(FILES[1].read_text())}
    assert told == {f"{name}:8080" for name in services if name.startswith("mme")}
    assert {address.partition(":")[0] for address in told} == set(
        services["balancer"]["depends_on"]
    )


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/invocations", {"X-Amzn-SageMaker-Target-Model": MODEL}),
        ("/invocations", {ATTRIBUTES: f"target-model={MODEL}"}),
        ("/invocations", {ATTRIBUTES: f"target-model={MODEL}, trace=1"}),
        ("/invocations", {ATTRIBUTES: f"a=1;Target-Model = {MODEL} ;trace=1"}),
        (f"/models/{QUOTED}", {}),
        (f"/models/{QUOTED}/why", {}),
        (f"/v2/models/{QUOTED}/versions/1/infer", {}),
        (f"/v2/repository/models/{QUOTED}/load", {}),
    ],
)
def test_a_model_is_the_same_whatever_way_it_is_named(balancer, path, headers):
    answer = requests.get(balancer.url + path, headers=headers, timeout=10)
    assert answer.headers["X-Target"] == MODEL


def test_a_comma_in_a_models_name_is_part_of_it(balancer):
    answer = requests.get(
        f"{balancer.url}/invocations", headers={"X-Amzn-SageMaker-Target-Model": "a,b"}, timeout=10
    )
    assert answer.headers["X-Target"] == "a,b"


def test_a_name_with_a_lines_end_writes_no_line_of_its_own(balancer):
    answer = requests.get(f"{balancer.url}/models/a%0A%0Db%1B.tar.gz", timeout=10)
    assert answer.headers["X-Target"] == "a??b?.tar.gz"
