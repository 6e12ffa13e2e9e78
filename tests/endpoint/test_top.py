"""`mme top` on a real endpoint: what it prints, and its screen in a terminal."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time

from mme.cli.main import main
from tests.endpoint.conftest import SIMILARITY

PROGRAM = [sys.executable, "-c", "from mme.cli.main import run; run()", "top"]
PATIENCE_S = 30


def asked(endpoint):
    """The endpoint, which has answered a request."""
    answer = endpoint.client().invoke_endpoint(
        EndpointName="demo", TargetModel=SIMILARITY, ContentType="text/csv", Body=b"a,b"
    )
    answer["Body"].read()
    return endpoint


def until(descriptor, words):
    """Read until `words` were said."""
    said, deadline_s = b"", time.monotonic() + PATIENCE_S
    while words not in said:
        ready, _, _ = select.select([descriptor], [], [], max(0, deadline_s - time.monotonic()))
        assert ready, f"{words!r} was not said: {said[-2000:]!r}"
        said += os.read(descriptor, 65536)


def test_models_that_were_asked_are_in_it(endpoint, capsys):
    assert main(["top", "--json", "--endpoint", asked(endpoint).url]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["status"]["requests"]["total"] > 0
    assert SIMILARITY in {each["target_model"] for each in said["models"]}
    assert said["events"]


def test_in_a_terminal_it_is_a_screen_with_keys(endpoint):
    ours, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "40"}
    process = subprocess.Popen(
        [*PROGRAM, "--endpoint", asked(endpoint).url],
        stdin=terminal, stdout=terminal, stderr=terminal, env=environment,
    )  # fmt: skip
    try:
        until(ours, b"by use")
        os.write(ours, b"m")
        until(ours, b"by memory")
        os.write(ours, b"q")
        deadline_s = time.monotonic() + PATIENCE_S
        while process.poll() is None and time.monotonic() < deadline_s:
            if select.select([ours], [], [], 0.1)[0]:
                os.read(ours, 65536)
        assert process.poll() == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(terminal)
