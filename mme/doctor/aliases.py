"""Whether the aliases of a store mean artifacts that are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mme.core.errors import EndpointError
from mme.doctor.finding import Finding, counted, failed, ok, warning
from mme.store.alias_file import FILE, artifact_of, split
from mme.store.alias_shelf import read_aliases

if TYPE_CHECKING:
    from mme.doctor.looked import Looked
    from mme.store import Store

CHECK = "aliases"
MOST_TOLD = 20


def check_aliases(looked: Looked) -> list[Finding]:
    """What is wrong with aliases; one finding that nothing is; none where there are none. Blocking.

    Only of a store that could be listed and read.
    """
    if looked.store is None or not looked.is_listed or not looked.can_be_read:
        return []
    try:
        folders = _folders(looked.store)
    except EndpointError as error:
        return [warning(CHECK, error.message)]
    offered = {each.target for each in looked.offers}
    found: list[Finding] = []
    count = 0
    for folder in folders:
        found_here, count_here = _judged(looked.store, folder, offered)
        found += found_here
        count += count_here
    if len(found) > MOST_TOLD:
        found = [*found[:MOST_TOLD], warning(CHECK, f"{len(found) - MOST_TOLD} more of these")]
    if count and not found:
        return [ok(CHECK, f"{counted(count, 'name')} without an id, each with its artifact")]
    return found


def _folders(store: Store) -> list[str]:
    """The folders that have a file of aliases."""
    return [
        folder
        for folder, name in (split(ref.target) for ref in store.list("", FILE))
        if name == FILE
    ]


def _judged(store: Store, folder: str, offered: set[str]) -> tuple[list[Finding], int]:
    """What is wrong in one folder, and how many aliases it has."""
    try:
        aliases = read_aliases(store, folder)
    except EndpointError as error:
        return [failed(CHECK, error.message)], 0
    if aliases.error is not None:
        return [failed(CHECK, aliases.error.message, "see docs/versions.md")], 0
    meant = {folder + name: artifact_of(folder + name, id_) for name, id_ in aliases.ids.items()}
    return [
        failed(
            CHECK,
            f"{alias} means {target}, which is not in the store",
            f"mme alias rollback {alias}, or put it there",
            alias=alias,
            target_model=target,
        )
        for alias, target in sorted(meant.items())
        if target not in offered
    ], len(meant)
