"""What `code/requirements.txt` asks for and is not here: looked up, never installed.

Each line is a requirement by name, with or without versions, extras and a marker. What else pip
understands there (options, addresses, paths) is only counted.
"""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion

if TYPE_CHECKING:
    from pathlib import Path

FILE = "code/requirements.txt"
MOST_BYTES = 64 * 1024
MOST_LINE_CHARS = 500
MOST_LINES = 200
SHOWN_CHARS = 120
SENSELESS = (InvalidVersion, UndefinedComparison, UndefinedEnvironmentName)
"""What is raised for a marker that compares what cannot be compared."""


@dataclass(frozen=True, slots=True)
class Requirements:
    """How what is wanted compares with what is installed."""

    met: int = 0
    missing: tuple[str, ...] = ()
    """In words: `torch>=2 (not installed)`, `numpy<1 (installed is 2.1.3)`."""
    unread: int = 0
    """Lines that are no requirement by name, or beyond the bounds."""

    def as_json(self) -> dict[str, object]:
        """For a description."""
        return {"met": self.met, "missing": list(self.missing), "unread": self.unread}


def read_requirements(model_dir: Path) -> Requirements | None:
    """Compare the artifact's requirements with this installation; None: it states none."""
    try:
        with (model_dir / FILE).open("rb") as opened:
            text = opened.read(MOST_BYTES + 1).decode("utf-8", "replace")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None
    lines = [line for each in text.splitlines() if (line := each.partition(" #")[0].strip())]
    lines = [line for line in lines if not line.startswith("#")]
    met, unread, missing = 0, max(0, len(lines) - MOST_LINES), []
    for line in lines[:MOST_LINES]:
        try:
            wanted = _requirement(line)
            lack = None if wanted is None else _lack(wanted)
        except SENSELESS:
            wanted = None
        if wanted is None:
            unread += 1
        elif lack is None:
            met += 1
        else:
            missing.append(f"{_shown(wanted)} ({lack})")
    return Requirements(met, tuple(missing), unread)


def _requirement(line: str) -> Requirement | None:
    if len(line) > MOST_LINE_CHARS or line.startswith(("-", ".", "/")):
        return None
    try:
        found = Requirement(line)
    except InvalidRequirement:
        return None
    return None if found.url else found


def _lack(wanted: Requirement) -> str | None:
    """What is wrong with the installation for this requirement; None: nothing."""
    if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
        return None  # it is for other machines
    try:
        version = importlib.metadata.version(wanted.name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
    if wanted.specifier.contains(version, prereleases=True):
        return None
    return f"installed is {version}"


def _shown(wanted: Requirement) -> str:
    return f"{wanted.name}{wanted.specifier}"[:SHOWN_CHARS]
