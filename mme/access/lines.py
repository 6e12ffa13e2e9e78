"""The form that both files of callers have: one caller a line.

    NAME SCOPES SECRET [targets=PATTERN,...] [endpoints=PATTERN,...] [expires=DATE] [session=TOKEN]

Scopes are `invoke`, `manage`, `read`, several with commas, or `*`. Empty lines and those that begin
with `#` say nothing. What a secret is, and whether a line may have a session, is up to the reader
of the lines. No message quotes anything but names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mme.access.caller import ALL_SCOPES, Caller, Scope
from mme.access.secret_file import FileRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = re.compile(r"[A-Za-z0-9_.@:\-]{1,128}", re.ASCII)
FORM = "NAME SCOPES SECRET [targets=…] [endpoints=…] [expires=…]"
FIRST_FIELDS = 3
MOST_LINES = 10_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One line."""

    number: int
    caller: Caller
    secret: str
    session: str

    def refused(self, reason: str) -> FileRefused:
        """The error for this line."""
        return FileRefused(f"line {self.number} ({self.caller.name}): {reason}")


def entries_of(text: str, *, options: frozenset[str]) -> Iterator[Entry]:
    """The callers, in order. Raises FileRefused for what is not of the form, and for none.

    `options` are those a line may have.
    """
    names: set[str] = set()
    lines = text.splitlines()
    if len(lines) > MOST_LINES:
        raise FileRefused(f"it has more than {MOST_LINES} lines")
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        entry = _entry(number, line.split(), options)
        if entry.caller.name in names:
            raise entry.refused("the name is there twice")
        names.add(entry.caller.name)
        yield entry
    if not names:
        raise FileRefused("it names nobody: one line for each, as " + FORM)


def _entry(number: int, fields: list[str], options: frozenset[str]) -> Entry:
    where = f"line {number}"
    if len(fields) < FIRST_FIELDS:
        raise FileRefused(f"{where}: it must be {FORM}")
    name, scopes, secret, *rest = fields
    if not NAME.fullmatch(name):
        raise FileRefused(
            f"{where}: a name has letters, digits and any of _ . @ : -, at most 128 of them"
        )
    where = f"{where} ({name})"
    given: dict[str, str] = {}
    for field in rest:
        key, equals, value = field.partition("=")
        if not equals or key not in options:
            raise FileRefused(
                f"{where}: after the secret come {', '.join(sorted(options))}, as k=v"
            )
        if key in given or not value:
            raise FileRefused(f"{where}: {key} is empty, or there twice")
        given[key] = value
    caller = Caller(
        name,
        _scopes(where, scopes),
        _patterns(where, given.get("targets", "")),
        _patterns(where, given.get("endpoints", "")),
        _moment(where, given.get("expires", "")),
    )
    return Entry(number, caller, secret, given.get("session", ""))


def _scopes(where: str, text: str) -> frozenset[Scope]:
    if text == "*":
        return ALL_SCOPES
    try:
        return frozenset(Scope(word) for word in text.split(","))
    except ValueError:
        known = ", ".join(ALL_SCOPES)
        raise FileRefused(f"{where}: the second word is not scopes of {known}, or *") from None


def _patterns(where: str, text: str) -> tuple[str, ...]:
    patterns = tuple(text.split(",")) if text else ()
    if not all(patterns):
        raise FileRefused(f"{where}: a pattern is empty")
    return patterns


def _moment(where: str, text: str) -> float | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise FileRefused(
            f"{where}: expires is no date: write 2030-01-31 or 2030-01-31T12:00:00Z"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
