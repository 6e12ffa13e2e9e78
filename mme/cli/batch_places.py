"""Where the inputs and outputs that `mme batch` names are: S3, or a folder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from mme.jobs.transform.errors import TransformRefused
from mme.jobs.transform.places import FolderPlaces
from mme.jobs.transform.s3_places import S3Places

if TYPE_CHECKING:
    from mme.jobs.transform.places import Places

S3 = "s3"


@dataclass(frozen=True, slots=True)
class Place:
    """A folder, a prefix, or one file."""

    places: Places
    uri: str


@cache
def places_of(*, in_s3: bool) -> Places:
    """What reads and writes there; the same one each time, for it keeps connections."""
    return S3Places() if in_s3 else FolderPlaces()


def is_in_s3(uri: str) -> bool:
    """Whether it is `s3://bucket/prefix`, which looks the same from every machine."""
    return uri.startswith(f"{S3}://")


def place(named: str, *, is_output: bool = False) -> Place:
    """The place that is named. Raises TransformRefused."""
    scheme, separator, _ = named.partition("://")
    if scheme == S3 and separator:
        return Place(places_of(in_s3=True), named)
    if separator:
        raise TransformRefused(f"{named!r} is neither a folder nor s3://bucket/prefix ({scheme})")
    path = Path(named).expanduser().absolute()
    if is_output or path.is_dir():
        return Place(places_of(in_s3=False), f"{path}/")
    if not path.exists():
        raise TransformRefused(f"there is no {named}")
    return Place(places_of(in_s3=False), str(path))
