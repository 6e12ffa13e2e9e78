"""The sections of CHANGELOG.md: what is not released yet, and what a version brought."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

UNRELEASED = "Unreleased"
HEADING = re.compile(r"^## (?P<name>\S+)(?: - (?P<date>\d{4}-\d\d-\d\d))?$", re.MULTILINE)


class NoSection(ValueError):
    """The changelog has no such section, or nothing in it."""


@dataclass(frozen=True, slots=True)
class Section:
    """What stands below one heading."""

    name: str
    date: str | None
    text: str

    @property
    def has_lines(self) -> bool:
        """Whether it names a change; headings alone name none."""
        return any(line.startswith("- ") for line in self.text.splitlines())


def sections(changelog: str) -> dict[str, Section]:
    """All sections by their names, in their order."""
    found = list(HEADING.finditer(changelog))
    ends = [match.start() for match in found[1:]] + [len(changelog)]
    return {
        match["name"]: Section(match["name"], match["date"], changelog[match.end() : end].strip())
        for match, end in zip(found, ends, strict=True)
    }


def dated(changelog: str, version: str, day: date) -> str:
    """The changelog with the lines of Unreleased as those of `version`. Raises NoSection."""
    known = sections(changelog)
    if version in known:
        raise NoSection(f"CHANGELOG.md has a section for {version} already")
    if UNRELEASED not in known or not known[UNRELEASED].has_lines:
        raise NoSection(f"CHANGELOG.md has no line below '## {UNRELEASED}': nothing to release")
    heading = f"## {UNRELEASED}"
    return changelog.replace(heading, f"{heading}\n\n## {version} - {day.isoformat()}", 1)
