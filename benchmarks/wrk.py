"""The load generator wrk: one request over and over, and what its report says.

A client in C leaves the cores to the server, so it is used where requests are cheap. It checks
status codes only; answers are compared before, see `checked`.
"""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import tempfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import requests

from benchmarks.table import NotPossible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}
CHECKS = 50


@dataclass(frozen=True, slots=True)
class Call:
    """One POST request, and whether an answer to it is right."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    is_right: Callable[[bytes], bool]


@dataclass(frozen=True, slots=True)
class Report:
    """What wrk says of a run."""

    p50_ms: float
    p99_ms: float
    rate: float
    """Requests answered per second."""


@dataclass
class Reports:
    """Those of one server, by number of connections; of each figure the median."""

    _by_connections: dict[int, list[Report]] = field(default_factory=dict)

    def add(self, connections: int, report: Report) -> None:
        """Keep one more."""
        self._by_connections.setdefault(connections, []).append(report)

    def p50_ms(self, connections: int) -> float:
        """Half of the requests took less."""
        return statistics.median(each.p50_ms for each in self._by_connections[connections])

    def p99_ms(self, connections: int) -> float:
        """Ninety-nine of a hundred took less."""
        return statistics.median(each.p99_ms for each in self._by_connections[connections])

    def rate(self, connections: int) -> float:
        """Requests answered per second."""
        return statistics.median(each.rate for each in self._by_connections[connections])


def checked(call: Call) -> Call:
    """The call, after some answers to it were found right."""
    with requests.Session() as session:
        for _ in range(CHECKS):
            answer = session.post(call.url, headers=dict(call.headers), data=call.body, timeout=60)
            assert answer.ok, f"{answer.status_code}: {answer.text[:300]}"
            assert call.is_right(answer.content), f"wrong answer: {answer.text[:300]}"
    return call


def wrk(call: Call, connections: int, for_s: int) -> Report:
    """Send it for some seconds. Raises NotPossible where there is no wrk."""
    program = shutil.which("wrk")
    if program is None:
        raise NotPossible("there is no wrk; apt-get install wrk")
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_script(call))
        script.flush()
        run = subprocess.run(
            [program, "-t1", f"-c{connections}", f"-d{for_s}s", "-s", script.name, "--latency",
             "--timeout", "30s", call.url],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    return report(run.stdout)


def report(text: str) -> Report:
    """What wrk printed. Raises AssertionError where it saw failures."""
    failures = re.findall(r"Non-2xx.*|Socket errors.*", text)
    assert not failures, f"wrk: {'; '.join(failures)}"
    latency_ms = {
        percent: float(number) * MS[unit]
        for percent, number, unit in re.findall(r"(50|99)%\s+([\d.]+)(us|ms|s)\b", text)
    }
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    assert rate is not None, f"wrk said: {text}"
    return Report(latency_ms["50"], latency_ms["99"], float(rate[1]))


def _script(call: Call) -> str:
    lines = ['wrk.method = "POST"', f"wrk.body = [==[{call.body.decode()}]==]"]
    lines += [f'wrk.headers["{name}"] = "{value}"' for name, value in call.headers.items()]
    return "\n".join(lines)
