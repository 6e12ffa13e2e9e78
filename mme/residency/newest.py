"""Which artifact of a folder is the newest version of which alias; without any I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mme.store.base import ARCHIVE_ENDING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from mme.store.base import ArtifactRef

NUMBER = re.compile(r"(\d{1,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An artifact that is newer than the one an alias has."""

    name: str
    """The alias without its folder."""
    id: str
    ref: ArtifactRef


def candidates(
    refs: Iterable[ArtifactRef], folder: str, present: Mapping[str, str]
) -> list[Candidate]:
    """For each alias (`present`: name -> id, "" for none yet) what is newer than what it has.

    Newest is what was modified last, of those at the same time the one with the highest id. An
    artifact belongs to the longest of the names that it begins with.
    """
    newest: dict[str, Candidate] = {}
    current: dict[str, Candidate] = {}
    for ref in refs:
        found = _belonging(ref, folder, present)
        if found is None:
            continue
        if found.id == present[found.name]:
            current[found.name] = found
        best = newest.get(found.name)
        if best is None or _age(found) > _age(best):
            newest[found.name] = found
    return [
        found
        for name, found in newest.items()
        if name not in current or _age(found) > _age(current[name])
    ]


def _belonging(ref: ArtifactRef, folder: str, names: Collection[str]) -> Candidate | None:
    stem = ref.target.removeprefix(folder).removesuffix(ARCHIVE_ENDING)
    end = len(stem)
    while (end := stem.rfind("-", 0, end)) > 0:
        if stem[:end] in names and stem[end + 1 :]:
            return Candidate(stem[:end], stem[end + 1 :], ref)
    return None


def _age(candidate: Candidate) -> tuple[float, list[tuple[int, int, str]]]:
    return candidate.ref.modified_at, order_of(candidate.id)


def order_of(version_id: str) -> list[tuple[int, int, str]]:
    """What ids are ordered by: numbers in them by value, so that 10 comes after 9."""
    return [
        (1, int(part), "") if NUMBER.fullmatch(part) else (0, 0, part)
        for part in NUMBER.split(version_id)
        if part
    ]
