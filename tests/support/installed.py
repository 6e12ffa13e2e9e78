"""The wheel in an environment of its own, somewhere else: nothing of the checkout is in sight."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Installed:
    """Where it is; `folder` is where its commands run, with a home below it."""

    python: Path
    folder: Path

    def environment(self) -> dict[str, str]:
        """Of a user who has nothing to do with the checkout."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "TMPDIR": str(self.folder),
        }

    def mme(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the command that the wheel installed."""
        return subprocess.run(
            [self.python.with_name("mme"), *arguments],
            cwd=self.folder, env=self.environment() | variables,
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip

    def run(self, code: str) -> str:
        """What a line of Python prints there."""
        ran = subprocess.run(
            [self.python, "-c", code],
            cwd=self.folder, env=self.environment(), capture_output=True, text=True,
            timeout=120, check=True,
        )  # fmt: skip
        return ran.stdout.strip()
