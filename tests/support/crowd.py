"""A folder store with very many models: one small artifact by many names."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from tests.support.endpoint import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

TEAMS = 20
MODELS = ("DocSim.tar.gz", "Search.tar.gz", "TopicalPageRank.tar.gz")


def fill_store(folder: Path, count: int) -> None:
    """`count` models below team-00 to team-19, and the English samples below en."""
    shutil.copytree(PROJECT / "artifacts" / "en", folder / "en", dirs_exist_ok=True)
    source = folder / "en" / "DocSim.tar.gz"
    for team in range(TEAMS):
        (folder / f"team-{team:02}").mkdir()
    for number in range(count):
        os.link(source, folder / f"team-{number % TEAMS:02}" / f"model-{number:05}.tar.gz")


def is_complete(count: int) -> str:
    """For a browser: whether the page has the whole list of such a store."""
    words = f"{count + len(MODELS):,} models"
    return f"document.getElementById('count').textContent === '{words}'"
