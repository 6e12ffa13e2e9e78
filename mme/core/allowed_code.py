"""Whether the code an artifact brings may run: as the operator says, never as the artifact does.

`MME_ALLOW_CODE` is 1, for all targets, or a comma list of patterns of them. Read by the endpoint,
and by the handler where a stock model server runs it.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ALL, NONE = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")
EVERYTHING = ("*", "*://*")
"""The patterns that allow all."""
ADDRESS = "://"


def allowed_code(value: object) -> object:
    """The patterns in the setting's text; what is no text stays as it is."""
    if not isinstance(value, str):
        return value
    if value.strip().lower() in NONE:
        return ()
    if value.strip().lower() in ALL:
        return EVERYTHING
    return tuple(pattern.strip() for pattern in value.split(",") if pattern.strip())


def may_run_code(target: str, patterns: Iterable[str]) -> bool:
    """Whether the code of this target may run.

    A pattern without an address is about the endpoint's own store: `*` in it takes in no
    `s3://bucket/...`, from where others' endpoints may have their models.
    """
    return any(
        (ADDRESS in pattern or ADDRESS not in target) and fnmatchcase(target, pattern)
        for pattern in patterns
    )
