"""The codecs of MLServer and KServe in an environment of their own, asked by a pipe."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.endpoint import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator

PYTHON = Path(os.environ.get("MME_ORACLES_PYTHON", PROJECT / ".venv-oracles/bin/python"))
PROGRAM = Path(__file__).with_name("others.py")


@dataclass(frozen=True)
class Others:
    """See `others.py` for what is asked and answered."""

    process: subprocess.Popen[str]

    def ask(self, codec: str, do: str, **more: Any) -> dict[str, Any]:
        """The answer, which may be `{"error": ...}`."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"codec": codec, "do": do, **more}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the other codecs ended; what they wrote is above"
        answer: dict[str, Any] = json.loads(line)
        return answer


@pytest.fixture(scope="session")
def others() -> Iterator[Others]:
    assert PYTHON.exists(), f"{PYTHON} is not there: make oracles"
    with subprocess.Popen(
        [PYTHON, PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Others(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(10) == 0
