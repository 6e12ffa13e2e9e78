"""Models that take more memory than they need, and containers that have little of something."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.support.endpoint import PROJECT
from tests.support.engine import container
from tests.support.platform import platform_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.engine import Container
    from tests.support.platform import Platform

HANDLERS = PROJECT / "tests" / "container" / "handlers"


@contextmanager
def narrow_container(tmp_path: Path, *limits: str) -> Iterator[tuple[Container, Platform]]:
    """A container with little of something, whose models each have a process, with ballast."""
    models_dir = tmp_path / "models"
    models_dir.mkdir()
    mounts = (
        f"--volume={models_dir}:/opt/ml/models:ro",
        f"--volume={HANDLERS}:/handlers:ro",
    )
    environment = {
        "SAGEMAKER_MULTI_MODEL": "true",
        "MME_HANDLER": "/handlers/heavy_handler.py",
    }
    with container(*mounts, *limits, environment=environment) as box:
        platform = platform_of(box, models_dir)
        platform.wait_until_healthy()
        yield box, platform


def with_ballast(unpacked: Path, ballast_bytes: int) -> Path:
    """An unpacked artifact beside this one that takes so much more under the heavy handler.

    Its files are links; the ballast is a hole and takes no disk.
    """
    folder = unpacked.with_name(f"{unpacked.name}-{ballast_bytes}")
    if not folder.exists():
        folder.mkdir()
        for file in unpacked.iterdir():
            (folder / file.name).hardlink_to(file)
        with (folder / "ballast.bin").open("wb") as ballast:
            ballast.truncate(ballast_bytes)
    return folder
