"""What the gateway adds: a model that does nothing, asked through it and straight at MMS."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from pathlib import Path

from benchmarks import noop_handler
from benchmarks.footprint import command, descendants
from benchmarks.table import Row
from benchmarks.traffic import Samples, drive, post
from benchmarks.workload import TARGET, fill_store
from mme.mms import MmsClient
from tests.support.endpoint import Endpoint, running_endpoint

ROUNDS, ROUND_S = 5, 3.0
CONNECTIONS = 16
AIM_MS, AIM_RATE = 0.7, 1500


def measure() -> list[Row]:
    """Alternate between the two, so that the machine's moods hit both."""
    alone: list[tuple[Samples, Samples]] = []
    crowd: list[Samples] = []
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        (model,) = fill_store(scratch / "store", 1)
        settings = {"MME_HANDLER": noop_handler.__file__}
        with running_endpoint(str(scratch / "store"), scratch, settings) as endpoint:
            headers = {TARGET: model.target, "Content-Type": "text/plain"}
            through = post(f"{endpoint.url}/invocations", headers, b"hello", b"ok")
            drive(endpoint.url, [through], connections=1, total=200)
            server, name = _model_server(endpoint)
            kind = {"Content-Type": "text/plain"}
            straight = post(f"http://mms/models/{name}/invoke", kind, b"hello", b"ok")
            for _ in range(ROUNDS):
                one = drive(server, [straight], connections=1, for_s=ROUND_S)
                two = drive(endpoint.url, [through], connections=1, for_s=ROUND_S)
                alone.append((one, two))
                crowd.append(drive(endpoint.url, [through], connections=CONNECTIONS, for_s=ROUND_S))
    runs = [*crowd, *(run for pair in alone for run in pair)]
    assert not any(run.failures for run in runs), "the no-op model failed"
    straight_ms = statistics.median(one.percentile_ms(50) for one, _ in alone)
    through_ms = statistics.median(two.percentile_ms(50) for _, two in alone)
    added_ms = statistics.median(
        two.percentile_ms(50) - one.percentile_ms(50) for one, two in alone
    )
    rate = statistics.median(run.rate for run in crowd)
    return [
        Row(
            "warm request to a no-op model, p50: straight to MMS, through the gateway",
            f"{straight_ms:.2f} ms",
            f"{through_ms:.2f} ms, {added_ms:.2f} ms more",
            "≤ 0.7 ms more",
            met=added_ms <= AIM_MS,
        ),
        Row(
            "requests per second through the gateway at 16 connections",
            "-",
            f"{rate:,.0f}",
            "≥ 1,500",
            met=rate >= AIM_RATE,
        ),
    ]


def _model_server(endpoint: Endpoint) -> tuple[str, str]:
    """Where the model server listens, behind the gateway, and what it calls its one model."""
    java = next(pid for pid in descendants(endpoint.process.pid) if "ModelServer" in command(pid))
    options = command(java).split()
    properties = Path(options[options.index("-f") + 1]).read_text()
    address = next(
        line.partition("=")[2]
        for line in properties.splitlines()
        if line.startswith("inference_address=")
    )

    async def first_name() -> str:
        async with MmsClient(Path(address.removeprefix("unix:"))) as client:
            return (await client.names(timeout_s=10))[0]

    return address, asyncio.run(first_name())
