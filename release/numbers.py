"""The version: the one place that says it, and the files that repeat it.

`mme/core/version.py` is that place. `REPEATED` are texts that other tools write or read, or that
show what a program prints; `prepare` changes them along, and a test finds any other.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PLACE = "mme/core/version.py"
REPEATED = {
    "docs/openapi.json": '"version": "{}"',
    "docs/doctor.md": "standalone endpoint {}",
    "deploy/kubernetes/base/deployment.yaml": "image: mme:{}",
    "deploy/kubernetes/single/kustomization.yaml": "newTag: {}",
    "deploy/kubernetes/spread/kustomization.yaml": "newTag: {}",
}
FORM = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:rc(\d+))?", re.ASCII)


class NoVersion(ValueError):
    """This is no version, or one that may not follow."""


def parsed(version: str) -> tuple[float, ...]:
    """A version as it is compared: `1.2.0rc1` is before `1.2.0`. Raises NoVersion."""
    found = FORM.fullmatch(version)
    if found is None:
        raise NoVersion(f"{version!r} is no version: write 1.2.0, or 1.2.0rc1 for a candidate")
    major, minor, patch, candidate = found.groups()
    return int(major), int(minor), int(patch), float(candidate or "inf")


def current(project: Path) -> str:
    """The version that the code says it is."""
    found = re.search(r'^VERSION = "(.+)"$', (project / PLACE).read_text("utf-8"), re.MULTILINE)
    if found is None:
        raise NoVersion(f'{PLACE} does not say VERSION = "..."')
    return found[1]


def write(project: Path, version: str) -> list[Path]:
    """Have code and pages say `version`; returns the files. Raises NoVersion if it goes back."""
    before = current(project)
    if parsed(version) < parsed(before):
        raise NoVersion(f"{version} is before {before}, which {PLACE} says")
    written = []
    for name, form in {PLACE: 'VERSION = "{}"', **REPEATED}.items():
        path = project / name
        text, said = path.read_text("utf-8"), form.format(before)
        if said not in text:
            raise NoVersion(f"{name} does not say {said!r}")
        path.write_text(text.replace(said, form.format(version)), "utf-8")
        written.append(path)
    return written
