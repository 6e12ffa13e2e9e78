"""Changing what an alias means: compare-and-set in its folder's file, with a history beside it.

Whoever is second reads again: no change of another writer is lost, and none is undone unseen.
Blocking.
"""

from __future__ import annotations

import logging
import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mme.core.errors import EndpointError, StoreUnavailable, TargetNotFound
from mme.store import alias_history as history
from mme.store.alias_file import (
    FILE,
    AliasesUnreadable,
    artifact_of,
    check_alias,
    check_id,
    render,
    split,
)
from mme.store.alias_history import Entry
from mme.store.alias_shelf import read_aliases, read_small
from mme.store.base import Changed

if TYPE_CHECKING:
    from collections.abc import Callable

    from mme.store.alias_history import How
    from mme.store.base import Store

log = logging.getLogger(__name__)

TRIES = 30
LONGEST_PAUSE_S = 0.2


class NotAsExpected(EndpointError):
    """An alias does not mean what the caller thought; nothing was changed."""

    def __init__(self, alias: str, expected: str, found: str) -> None:
        shown = repr(found) if found else "nothing"
        wanted = repr(expected) if expected else "nothing"
        super().__init__(f"{alias} means {shown}, not {wanted}: nothing was changed")
        self.found = found


class UnknownAlias(EndpointError):
    """Asked about an alias that is none, or has nothing to go back to."""


@dataclass(frozen=True, slots=True)
class Change:
    """What was done to an alias."""

    alias: str
    former: str
    """The id before; "" if there was none."""
    id: str
    """The id now; "" if it is no alias any more."""

    @property
    def target(self) -> str:
        """The artifact it means now."""
        return artifact_of(self.alias, self.id)


def meaning_of(store: Store, alias: str) -> str:
    """The id an alias has now; "" if it is none. Raises AliasesUnreadable, StoreUnavailable."""
    folder, name = split(check_alias(alias))
    aliases = read_aliases(store, folder)
    if aliases.error is not None:
        raise aliases.error
    return aliases.ids.get(name, "")


def set_alias(
    store: Store,
    alias: str,
    version_id: str,
    *,
    expected: str | None = None,
    how: How = "set",
    needs_artifact: bool = True,
    pause: Callable[[float], None] = time.sleep,
) -> Change:
    """Have an alias mean an id, if it means `expected` now ("": nothing; None: whatever).

    Raises InvalidRequest, NotAsExpected, TargetNotFound (there is no such artifact),
    AliasesUnreadable (a file that cannot be read is not replaced), StoreUnavailable.
    """
    folder, name = split(check_alias(alias))
    target = artifact_of(alias, check_id(version_id))
    if needs_artifact:
        store.find(target)
    before = None
    for _ in range(TRIES):
        aliases = read_aliases(store, folder)
        if aliases.error is not None:
            raise aliases.error
        former = aliases.ids.get(name, "")
        if before is not None and former == version_id:
            # Written, and the answer was lost; or another writer wants the same.
            former = before
            break
        if expected is not None and former != expected:
            raise NotAsExpected(alias, expected, former)
        if former == version_id:
            return Change(alias, former, version_id)
        if former:  # noted before, so that it can be gone back to at any moment
            _note(store, alias, former, "found", pause)
        before = former
        try:
            store.replace(folder + FILE, render({**aliases.ids, name: version_id}), aliases.version)
        except Changed:
            pause(random.uniform(0, LONGEST_PAUSE_S))  # noqa: S311 - no secret
        else:
            break
    else:
        raise StoreUnavailable(store.uri + folder + FILE, "others change it all the time")
    _note(store, alias, version_id, how, pause)
    return Change(alias, former, version_id)


def roll_back(
    store: Store,
    alias: str,
    to: str | None = None,
    *,
    pause: Callable[[float], None] = time.sleep,
) -> Change:
    """Have an alias mean what it meant before, or the id `to`. Raises as `set_alias`, UnknownAlias.

    Rolled back again it goes back further.
    """
    present = meaning_of(store, alias)
    if not present:
        raise UnknownAlias(f"There is no alias {alias}")
    if to is None:
        to = history.before(entries_of(store, alias), present)
    if to is None:
        raise UnknownAlias(
            f"{alias} means {present!r}, and nothing that it meant before is known: say which id"
        )
    return set_alias(store, alias, to, expected=present, how="rollback", pause=pause)


def take_back(
    store: Store,
    alias: str,
    version_id: str,
    *,
    pause: Callable[[float], None] = time.sleep,
) -> Change | None:
    """End that an alias means an id: it means what it meant before, or is no alias if it was none.

    None: it means something else by now, and was left; only that it ever meant this id is noted no
    more, so that nobody who takes back a later one goes back to it. Raises as `set_alias`.
    """
    if meaning_of(store, alias) != version_id:
        _forget(store, alias, version_id, pause)
        if meaning_of(store, alias) != version_id:  # not gone back to meanwhile
            return None
    former = history.before(entries_of(store, alias), version_id)
    try:
        if former is not None:
            return set_alias(store, alias, former, expected=version_id, how="rollback", pause=pause)
        return _ended(store, alias, version_id, pause)
    except NotAsExpected:
        return None


def _ended(
    store: Store, alias: str, version_id: str, pause: Callable[[float], None]
) -> Change | None:
    """Take an alias out of its file, if it means that id."""
    folder, name = split(alias)
    for _ in range(TRIES):
        aliases = read_aliases(store, folder)
        if aliases.error is not None:
            raise aliases.error
        if aliases.ids.get(name) != version_id:
            return None
        others = {each: meant for each, meant in aliases.ids.items() if each != name}
        try:
            store.replace(folder + FILE, render(others), aliases.version)
        except Changed:
            pause(random.uniform(0, LONGEST_PAUSE_S))  # noqa: S311 - no secret
        else:
            return Change(alias, version_id, "")
    raise StoreUnavailable(store.uri + folder + FILE, "others change it all the time")


def entries_of(store: Store, alias: str) -> list[Entry]:
    """What an alias has meant, oldest first. Raises AliasesUnreadable, StoreUnavailable."""
    folder, name = split(check_alias(alias))
    return _read_history(store, folder)[1].get(name, [])


def _read_history(store: Store, folder: str) -> tuple[str | None, dict[str, list[Entry]]]:
    found = read_small(store, folder + history.FILE, history.MOST_BYTES)
    if found is None:
        return None, {}
    ref, content = found
    return ref.version, history.parse(content, ref.uri)


def _note(
    store: Store, alias: str, version_id: str, how: How, pause: Callable[[float], None]
) -> None:
    """Note what an alias means; that it is not noted undoes nothing."""
    entry = Entry(version_id, datetime.now(UTC).isoformat(timespec="milliseconds"), how)

    def noted(own: list[Entry]) -> list[Entry]:
        # By another writer that wanted the same, perhaps.
        return own if own and own[-1].id == version_id else [*own, entry]

    reason = _rewritten(store, alias, noted, pause)
    if reason:
        log.warning("that %s means %s is not noted: %s", alias, version_id, reason)


def _forget(store: Store, alias: str, version_id: str, pause: Callable[[float], None]) -> None:
    """Have the history say that an alias never meant an id; that it still does is logged."""
    reason = _rewritten(
        store, alias, lambda own: [each for each in own if each.id != version_id], pause
    )
    if reason:
        log.warning("%s may be taken back to %s, which fails: %s", alias, version_id, reason)


def _rewritten(
    store: Store,
    alias: str,
    change: Callable[[list[Entry]], list[Entry]],
    pause: Callable[[float], None],
) -> str:
    """Change an alias's entries; why that is impossible, or ""."""
    folder, name = split(alias)
    try:
        for _ in range(TRIES):
            version, entries = _read_history(store, folder)
            own = entries.get(name, [])
            changed = change(own)
            if changed == own:
                return ""
            try:
                content = history.render({**entries, name: changed})
                store.replace(folder + history.FILE, content, version)
            except Changed:
                pause(random.uniform(0, LONGEST_PAUSE_S))  # noqa: S311 - no secret
            else:
                return ""
    except (AliasesUnreadable, StoreUnavailable, TargetNotFound) as error:
        return error.message
    return "others note all the time"
