"""The form of `models-id.json`: what the aliases of one folder of a store mean.

`{"DocSim": "7"}` beside `DocSim-7.tar.gz` makes the target `DocSim` mean it. Each folder has a file
of its own: `de/DocSim` is looked up as `DocSim` in `de/models-id.json`. Pure; who reads and writes
the file is `alias_shelf.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TypeAlias

from mme.core.errors import EndpointError, InvalidRequest
from mme.core.log_format import one_line
from mme.core.names import check_target
from mme.store.base import ARCHIVE_ENDING

FILE = "models-id.json"
MOST_BYTES = 4 * 1024 * 1024
SHOWN_CHARS = 60

Ids: TypeAlias = Mapping[str, str]
"""Alias -> id, without the folder."""


class AliasesUnreadable(EndpointError):
    """A file of aliases that is not what it should be."""

    def __init__(self, where: str, reason: str, version: str | None = None) -> None:
        """`version` of the file, where whoever reads it knows."""
        super().__init__(f"The aliases in {where} cannot be used: {reason}")
        self.reason = reason
        self.version = version


def is_alias(target: str) -> bool:
    """Whether a target may be an alias: an archive's name never is one."""
    return not target.endswith(ARCHIVE_ENDING)


def split(target: str) -> tuple[str, str]:
    """The folder of a target, "" or ending in a slash, and the name in it."""
    folder, slash, name = target.rpartition("/")
    return folder + slash, name


def artifact_of(alias: str, version_id: str) -> str:
    """The target that an alias means by an id."""
    return f"{alias}-{version_id}{ARCHIVE_ENDING}"


def check_alias(alias: str) -> str:
    """Return what may be an alias. Raises InvalidRequest."""
    check_target(alias.removeprefix("s3://"))  # as endpoints with a store of their own name them
    if not is_alias(alias):
        raise InvalidRequest(
            f"{alias!r} is the name of an archive and so no alias: leave {ARCHIVE_ENDING} out"
        )
    if split(alias)[1] == FILE:
        raise InvalidRequest(f"{FILE!r} is the file of aliases and so no alias")
    return alias


def check_id(version_id: str) -> str:
    """Return what may be the id of a version. Raises InvalidRequest."""
    if reason := _wrong_with_id(version_id):
        raise InvalidRequest(f"The id {_shown(version_id)} {reason}")
    return version_id


def parse(content: bytes, where: str) -> dict[str, str]:
    """The aliases in a file; `where` it is goes into errors. Raises AliasesUnreadable."""
    if len(content) > MOST_BYTES:
        raise AliasesUnreadable(where, f"it is larger than {MOST_BYTES} bytes")
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        raise AliasesUnreadable(where, 'it is no JSON; it should be {"NAME": "ID"}') from None
    if not isinstance(said, dict):
        raise AliasesUnreadable(where, 'it is no JSON object; it should be {"NAME": "ID"}')
    ids = {}
    for name, given in said.items():
        is_number = isinstance(given, int) and not isinstance(given, bool)
        version_id = str(given) if is_number else given
        if not isinstance(version_id, str):
            raise AliasesUnreadable(where, f"{_shown(name)} has {_shown(given)}, which is no id")
        if reason := _wrong_with_id(version_id):
            raise AliasesUnreadable(
                where, f"the id {_shown(version_id)} of {_shown(name)} {reason}"
            )
        if "/" in name or not is_alias(name) or not _is_target(name):
            raise AliasesUnreadable(
                where,
                f"{_shown(name)} is no name of an alias: no slash (each folder has a file of its"
                f" own), no {ARCHIVE_ENDING}, nothing unprintable",
            )
        ids[name] = version_id
    return ids


def render(ids: Ids) -> bytes:
    """The file that has these aliases; `parse` reads it."""
    return (json.dumps(dict(sorted(ids.items())), indent=2, ensure_ascii=False) + "\n").encode()


def _wrong_with_id(version_id: str) -> str:
    if not version_id:
        return "is empty"
    if "/" in version_id:
        return "has a slash"
    if version_id.endswith(ARCHIVE_ENDING):
        return f"ends in {ARCHIVE_ENDING}: give what stands between NAME- and {ARCHIVE_ENDING}"
    if not _is_target(f"x-{version_id}"):
        return "has unprintable parts, a backslash, or is too long"
    return ""


def _is_target(name: str) -> bool:
    try:
        check_target(name)
    except InvalidRequest:
        return False
    return True


def _shown(value: object) -> str:
    text = one_line(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "…"
