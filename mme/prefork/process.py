"""The prefork server as its owner sees it: a command to run, the files that lead to it.

Pure but for making the files; the owner starts, watches and stops the process.
"""

from __future__ import annotations

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
    """Where launchers and the prefork server meet, below the endpoint's run folder."""

    folder: Path

    @property
    def requests(self) -> Path:
        """The FIFO of launchers' requests; outlives any one prefork server."""
        return self.folder / "requests"

    @property
    def lifelines(self) -> Path:
        """The folder of launchers' lifelines."""
        return self.folder / "lifelines"

    @property
    def launcher(self) -> Path:
        """The program the model server starts."""
        return self.folder / "launcher"

    @property
    def ready(self) -> Path:
        """There while a prefork server answers requests."""
        return self.folder / "ready"

    def make(self, fallback: Path) -> None:
        """Make all of them; `fallback` is the program for what is not a worker."""
        self.lifelines.mkdir(parents=True)
        os.mkfifo(self.requests, 0o600)
        script = launcher_script(self.requests, self.lifelines, str(fallback))
        self.launcher.write_text(script, encoding="utf-8")
        self.launcher.chmod(0o700)

    def command(self, handler: Path, languages: Sequence[str], signs: Path) -> list[str]:
        """The command that runs the prefork server; `signs` as in `PreforkServer`."""
        return [
            sys.executable, "-u", "-m", "mme.prefork",
            "--requests", str(self.requests),
            "--signs", str(signs),
            "--handler", str(handler),
            "--ready", str(self.ready),
            "--languages", ",".join(languages),
        ]  # fmt: skip
