"""`docker compose` in tests: a project of its own, taken down with all it made."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING

import pytest

from tests.support.endpoint import PROJECT, free_port
from tests.support.engine import IMAGE, engine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMPOSE_TIMEOUT_S = 180


class Project:
    """What a compose file describes, running."""

    def __init__(self, file: Path) -> None:
        self.port, self.figures_port = free_port(), free_port()
        self._environment = os.environ | {
            "MME_PUBLISH": str(self.port),
            "MME_PUBLISH_FIGURES": str(self.figures_port),
        }
        # docker's own compose, or podman-compose from the development requirements
        command = [sys.executable, "-m", "podman_compose"]
        if engine() == "docker":
            command = ["docker", "compose"]
        self._command = [*command, "-p", f"mme{uuid.uuid4().hex[:8]}", "-f", str(file)]

    @property
    def url(self) -> str:
        """Where it is published."""
        return f"http://127.0.0.1:{self.port}"

    def run(self, *arguments: str) -> str:
        """A command of compose; returns what it said."""
        ended = subprocess.run(
            [*self._command, *arguments], cwd=PROJECT, env=self._environment,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=COMPOSE_TIMEOUT_S,
            check=False,
        )  # fmt: skip
        return ended.stdout + ended.stderr


@contextlib.contextmanager
def composed(file: Path) -> Iterator[tuple[Project, str]]:
    """The project, and what was said when it was started; its images must be there."""
    if IMAGE != "mme":
        pytest.skip(f"{file} names the image mme")
    project = Project(file)
    try:
        yield project, project.run("up", "--detach", "--no-build")
    finally:
        project.run("down", "--volumes")
