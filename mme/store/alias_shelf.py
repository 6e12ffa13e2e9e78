"""The aliases of one folder of a store: read, and changed by compare-and-set.

Blocking. What the file looks like is `alias_file.py`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mme.core.errors import StoreUnavailable, TargetNotFound
from mme.store.alias_file import FILE, MOST_BYTES, AliasesUnreadable, Ids, parse
from mme.store.base import TargetDenied

if TYPE_CHECKING:
    from mme.store.base import ArtifactRef, Store

TRIES = 5


@dataclass(frozen=True, slots=True)
class Aliases:
    """The aliases of one folder, as one version of its file has them."""

    version: str | None
    """Of the file; None: there is none."""
    ids: Ids
    error: AliasesUnreadable | None = None
    """Why the file cannot be used; then there are no ids."""


NO_ALIASES = Aliases(None, {})


def read_aliases(store: Store, folder: str, known: Aliases | None = None) -> Aliases:
    """The aliases of `folder` ("" or ending in a slash); `known` itself if the file is unchanged.

    Raises StoreUnavailable, TargetDenied (the store does not say whether there are any).
    """
    try:
        found = read_small(store, folder + FILE, MOST_BYTES, known.version if known else None)
    except AliasesUnreadable as error:
        return Aliases(error.version, {}, error.anew())
    if found is None:
        return NO_ALIASES
    ref, content = found
    if known is not None and known.version == ref.version:
        return known
    try:
        return Aliases(ref.version, parse(content, ref.uri))
    except AliasesUnreadable as error:
        return Aliases(ref.version, {}, error.anew())


def read_small(
    store: Store, key: str, most_bytes: int, known: str | None = None
) -> tuple[ArtifactRef, bytes] | None:
    """A small file as it is now; None: there is none; no content for the version `known`.

    Raises AliasesUnreadable if it is larger, StoreUnavailable, TargetDenied.
    """
    for is_last in (*[False] * (TRIES - 1), True):
        try:
            ref = store.find(key)
        except TargetDenied:
            raise
        except TargetNotFound:
            return None
        if known is not None and known == ref.version:
            return ref, b""
        if ref.size_bytes > most_bytes:
            raise AliasesUnreadable(ref.uri, f"it is larger than {most_bytes} bytes", ref.version)
        content = b""
        try:
            with store.open(ref) as source:
                while part := source.read(most_bytes + 1 - len(content)):
                    content += part
        except (StoreUnavailable, TargetNotFound):  # replaced between the two, perhaps
            if is_last:
                raise
        else:
            return ref, content
    raise AssertionError  # the last try returns or raises
