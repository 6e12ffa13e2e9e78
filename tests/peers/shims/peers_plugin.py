"""A plugin for pytest, loaded from outside into peers' suites: what came of each test, into a file.

Their tests wait for their servers up to a minute at a time; ours needs less, so sleeps are cut.
"""

import json
import os
import time
from pathlib import Path

MOST_S = float(os.environ["PEERS_MOST_SLEEP_S"])
_sleep = time.sleep


def sleep(seconds: float) -> None:
    """Sleep that long, but no longer than MOST_S."""
    _sleep(min(seconds, MOST_S))


time.sleep = sleep  # type: ignore[assignment]


def write(name, passed, said):
    """Write a line for a test."""
    line = {"name": name, "passed": passed, "said": " ".join(said.split())[:300]}
    with Path(os.environ["PEERS_RESULTS"]).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def pytest_runtest_logreport(report):
    """Write a line for a test that ended, or did not begin."""
    if report.when != "call" and not report.failed:
        return
    lines = report.longreprtext.strip().splitlines()
    told = [line[1:].strip() for line in lines if line.startswith("E")] or lines[-1:]
    write(report.nodeid.rpartition("::")[2], report.passed, " ".join(told[:2]))
