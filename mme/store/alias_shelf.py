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
    for is_last in (*[False] * (TRIES - 1), True):
        try:
            ref = store.find(folder + FILE)
        except TargetDenied:
            raise
        except TargetNotFound:
            return NO_ALIASES
        if known is not None and known.version == ref.version:
            return known
        if ref.size_bytes > MOST_BYTES:
            reason = f"it is larger than {MOST_BYTES} bytes"
            return Aliases(ref.version, {}, AliasesUnreadable(ref.uri, reason))
        try:
            content = _content(store, ref)
            return Aliases(ref.version, parse(content, ref.uri))
        except AliasesUnreadable as error:
            return Aliases(ref.version, {}, error.anew())
        except (StoreUnavailable, TargetNotFound):  # replaced between the two, perhaps
            if is_last:
                raise
    raise AssertionError  # the last try returns or raises


def _content(store: Store, ref: ArtifactRef) -> bytes:
    content = b""
    with store.open(ref) as source:
        while part := source.read(MOST_BYTES + 1 - len(content)):
            content += part
    return content
