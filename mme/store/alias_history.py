"""The form of `models-id-history.json`: what aliases have meant, so that they can mean it again.

A file of its own beside `models-id.json`, whose form is the original's. Pure; `alias_changes.py`
writes it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mme.store.alias_file import AliasesUnreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

FILE = "models-id-history.json"
MOST_BYTES = 16 * 1024 * 1024
MOST_ENTRIES = 64
"""So many are kept of each alias."""

How = Literal["set", "rollback", "deploy", "found"]
HOWS: tuple[How, ...] = ("set", "rollback", "deploy", "found")


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing an alias has meant."""

    id: str
    at: str
    """When it began to, ISO-8601 in UTC; of one that was found, when it was found."""
    how: How
    """`found`: somebody had set it without a word here."""


def parse(content: bytes, where: str) -> dict[str, list[Entry]]:
    """The entries of each alias, oldest first. Raises AliasesUnreadable."""
    try:
        said = json.loads(content)
        return {name: [_entry(entry) for entry in entries] for name, entries in said.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise AliasesUnreadable(where, "it is no history of aliases") from None


def render(history: Mapping[str, Sequence[Entry]]) -> bytes:
    """The file that has these entries, the oldest left out where they are too many."""
    most = MOST_ENTRIES
    while True:
        said = {
            name: [{"id": each.id, "at": each.at, "how": each.how} for each in entries[-most:]]
            for name, entries in sorted(history.items())
        }
        content = (json.dumps(said, indent=1, ensure_ascii=False) + "\n").encode()
        if len(content) <= MOST_BYTES or most == 1:
            return content
        most //= 2


def standing(entries: Iterable[Entry]) -> list[str]:
    """What led to the present id, which is the last; what was rolled back is left out."""
    ids: list[str] = []
    for entry in entries:
        if entry.how == "rollback" and entry.id in ids:
            while ids[-1] != entry.id:
                ids.pop()
        elif not ids or ids[-1] != entry.id:
            ids.append(entry.id)
    return ids


def before(entries: Iterable[Entry], present: str) -> str | None:
    """The id before the present one; None: none is known."""
    ids = standing(entries)
    if present in ids:
        while ids.pop() != present:
            pass
    return ids[-1] if ids else None


def _entry(said: Mapping[str, object]) -> Entry:
    version_id, at, how = said["id"], said["at"], said["how"]
    if not (isinstance(version_id, str) and isinstance(at, str) and how in HOWS):
        raise TypeError
    return Entry(version_id, at, next(each for each in HOWS if each == how))
