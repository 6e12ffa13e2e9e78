"""The template as its owner sees it: a command to run, the files that lead to it.

Pure but for making the files; the owner starts, watches and stops the process. It may keep the
FIFO of requests open itself (`open_requests`): launchers' lines then wait there for the next
template, instead of being lost with the one that had it open.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mme.prefork.launcher import launcher_script

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# One thread: set before the numerical libraries are imported, for they start pools at import.
SINGLE_THREADED = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    # Else each fork resolves the C functions it calls by itself, and writes the tables they are in.
    "LD_BIND_NOW": "1",
}


@dataclass(frozen=True, slots=True)
class PreforkFiles:
    """Where gateway, launchers, workers and template meet, below the endpoint's run folder."""

    folder: Path

    @property
    def requests(self) -> Path:
        """The FIFO of launchers' requests; outlives any one template."""
        return self.folder / "requests"

    @property
    def lifelines(self) -> Path:
        """The folder of launchers' lifelines."""
        return self.folder / "lifelines"

    @property
    def launcher(self) -> Path:
        """The program the model server starts."""
        return self.folder / "launcher"

    def ready(self, generation: int) -> Path:
        """There once the template of a generation answers: a list of the pipelines it has."""
        return self.folder / f"ready-{generation}"

    @property
    def admissions(self) -> Path:
        """The socket where a template takes admissions."""
        return self.folder / "admissions"

    @property
    def doors(self) -> Path:
        """The folder of the workers' doors, for `MME_DOORS`."""
        return self.folder / "doors"

    def loaded(self, generation: int) -> tuple[str, ...] | None:
        """The pipelines the template of a generation has loaded; None while it is not ready."""
        try:
            found = json.loads(self.ready(generation).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return tuple(found)

    def open_requests(self) -> int:
        """A descriptor that keeps the FIFO, and what is in it; the caller closes it."""
        return os.open(self.requests, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def make(self, fallback: Path) -> None:
        """Make all of them; `fallback` is the program for what is not a worker."""
        self.lifelines.mkdir(parents=True)
        self.doors.mkdir()
        os.mkfifo(self.requests, 0o600)
        script = launcher_script(self.requests, self.lifelines, str(fallback))
        self.launcher.write_bytes(os.fsencode(script))
        self.launcher.chmod(0o700)

    def command(
        self, handler: Path, languages: Sequence[str], signs: Path, generation: int = 0
    ) -> list[str]:
        """The command that runs a template.

        `signs` as in `TemplatePaths`; `generation` tells its workers from those of earlier ones.
        """
        return [
            sys.executable, "-u", "-m", "mme.prefork",
            "--requests", str(self.requests),
            "--admissions", str(self.admissions),
            "--doors", str(self.doors),
            "--signs", str(signs),
            "--handler", str(handler),
            "--ready", str(self.ready(generation)),
            "--languages", ",".join(languages),
            "--generation", str(generation),
        ]  # fmt: skip
