"""Asynchronous invocations: how many a minute, and what ten deaths of the endpoint cost.

S3 is moto's server in a process of its own, on the same cores as the endpoint and the client; the
work is one DocSim row. Each output is looked for at the end: one for each request, no other.
"""

from __future__ import annotations

import http.client
import json
import signal
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from benchmarks.peer_servers.processes import answers, free_ports, running
from benchmarks.share import of
from benchmarks.table import Row
from mme.core.settings import PROJECT_ROOT
from tests.support.endpoint import running_endpoint
from tests.support.s3 import S3Server
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.endpoint import Endpoint

REQUESTS, KILLS = 5000, 10
CONNECTIONS = 4
AIM_PER_MINUTE = 10_000
TIMEOUT_S = 600.0
BUCKET, NAME, TARGET = "bench", "bench", "DocSim.tar.gz"
ROW = b"Die neue Steuer auf Strom,Eine Steuer auf Strom aus Sonne\n"
HEADERS = {"X-Amzn-SageMaker-Target-Model": TARGET, "X-Amzn-SageMaker-Content-Type": "text/csv"}
OUTPUT = "X-Amzn-SageMaker-OutputLocation"


def measure() -> list[Row]:
    """A run without deaths, then one with."""
    count = of(REQUESTS, least=KILLS)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        (port,) = free_ports(1)
        s3 = S3Server(f"http://127.0.0.1:{port}")
        command = (sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", port)
        with running(command, scratch, {}, lambda: answers(f"{s3.url}/moto-api/data.json")):
            s3.client().create_bucket(Bucket=BUCKET)
            quiet = _quiet(count, s3, scratch / "quiet")
            outcome = _with_deaths(count, s3, scratch / "deaths")
    return [*quiet, outcome]


def _quiet(count: int, s3: S3Server, scratch: Path) -> list[Row]:
    scratch.mkdir()
    with running_endpoint(str(PROJECT_ROOT / "artifacts"), scratch, _settings(s3, "q")) as endpoint:
        _submitted(endpoint, CONNECTIONS)
        eventually(lambda: _processed(endpoint), lambda found: found == CONNECTIONS)
        began_s = time.monotonic()
        accepted = _submitted(endpoint, count)
        accepted_s = time.monotonic() - began_s
        eventually(
            lambda: _processed(endpoint), lambda found: found == CONNECTIONS + count, TIMEOUT_S
        )
        took_s = time.monotonic() - began_s
    assert accepted <= _outputs(s3, "q")
    per_minute = count / took_s * 60
    return [
        Row(
            f"{count} asynchronous invocations, from the first call to the last output",
            "-",
            f"{per_minute:,.0f} a minute",
            f"≥ {AIM_PER_MINUTE:,} a minute",
            met=per_minute >= AIM_PER_MINUTE,
        ),
        Row("accepted meanwhile", "-", f"{count / accepted_s:,.0f} a second"),
    ]


def _with_deaths(count: int, s3: S3Server, scratch: Path) -> Row:
    scratch.mkdir()
    accepted: set[str] = set()
    store, settings = str(PROJECT_ROOT / "artifacts"), _settings(s3, "d")
    for _ in range(KILLS):
        with running_endpoint(store, scratch, settings) as endpoint:
            accepted |= _submitted(endpoint, count // KILLS)
            endpoint.process.send_signal(signal.SIGKILL)
            endpoint.process.wait()
    with running_endpoint(store, scratch, settings):
        found = eventually(
            lambda: _outputs(s3, "d"), lambda found: len(found) >= len(accepted), TIMEOUT_S
        )
    lost, more = len(accepted - found), len(found - accepted)
    return Row(
        f"{len(accepted)} accepted while the endpoint is killed {KILLS} times",
        "-",
        f"{len(found)} outputs, {lost} lost, {more} too many",
        "one for each",
        met=not lost and not more,
    )


def _settings(s3: S3Server, prefix: str) -> Mapping[str, str]:
    return {
        "AWS_ENDPOINT_URL_S3": s3.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "eu-central-1",
        "MME_ASYNC_OUTPUT": f"s3://{BUCKET}/{prefix}/",
    }


def _submitted(endpoint: Endpoint, count: int) -> set[str]:
    """The places of the outputs of `count` requests that were accepted."""
    shares = [count // CONNECTIONS + (turn < count % CONNECTIONS) for turn in range(CONNECTIONS)]
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        places = threads.map(lambda share: _submit_in_turn(endpoint.url, share), shares)
        return {place for each in places for place in each}


def _submit_in_turn(url: str, count: int) -> list[str]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    places = []
    for _ in range(count):
        connection.request("POST", f"/endpoints/{NAME}/async-invocations", ROW, HEADERS)
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status == http.client.ACCEPTED, text
        places.append(answer.headers[OUTPUT])
    connection.close()
    return places


def _processed(endpoint: Endpoint) -> int:
    connection = http.client.HTTPConnection(urlsplit(endpoint.url).netloc, timeout=60)
    connection.request("GET", f"/endpoints/{NAME}/async-metrics")
    data: list[dict[str, Any]] = json.load(connection.getresponse())["MetricData"]
    connection.close()
    values = [each["Value"] for each in data if each["MetricName"] == "InvocationsProcesssed"]
    return int(sum(values))


def _outputs(s3: S3Server, prefix: str) -> set[str]:
    pages = (
        s3.client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{prefix}/")
    )
    return {f"s3://{BUCKET}/{each['Key']}" for page in pages for each in page.get("Contents", [])}
