"""What callers and the management API are shown: frozen copies, never the table's own objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class State(StrEnum):
    """Where a target model stands, in the words of the management API."""

    IN_STORE = "in-store"
    """Nothing of it is here: it comes when it is asked for."""
    DOWNLOADING = "downloading"
    """On its way to this disk, or being checked and converted there."""
    ON_DISK = "on-disk"
    """Admitted, in no worker's memory."""
    LOADING = "loading"
    """A worker of its own is being started."""
    READY = "ready"
    """In a worker's memory."""


@dataclass(frozen=True, slots=True)
class ModelView:
    """One target model as it stands now; times are wall clock seconds, None: never."""

    target: str
    state: State
    name: str | None = None
    version: str | None = None
    archive_bytes: int | None = None
    unpacked_bytes: int | None = None
    in_flight: int = 0
    invocations: int = 0
    own_bytes: int | None = None
    workers: int | None = None
    pinned: bool = False
    load_s: float | None = None
    fetched_at: float | None = None
    loaded_at: float | None = None
    last_used_at: float | None = None
    details: Mapping[str, object] = field(default_factory=dict)
    aliases: Sequence[str] = ()
    """What means it."""
    errors: int = 0
    p50_s: float | None = None
    p99_s: float | None = None
    """Of the last requests, from their coming to their answers."""
    error: str = ""
    """Why it failed last; "": it has not, since it came in."""
    error_at: float | None = None
    failed_updates: int = 0
    evicted_at: float | None = None
    idle_at_eviction_s: float | None = None
    gone_from_store: bool = False
    modified_at: float | None = None
    """In the store."""


@dataclass(frozen=True, slots=True)
class ModelPage:
    """A part of the list of models, in the order of targets."""

    views: Sequence[ModelView]
    next_after: str = ""
    """The next part begins after this target; "": this is the last one."""
    store_error: str = ""
    """Why what the store offers is missing; "": it is not."""


@dataclass(frozen=True, slots=True)
class AliasView:
    """One alias as it stands now."""

    alias: str
    target: str
    """What it means."""
    wanted: str
    """What it should mean."""
    reason: str = ""
    """Why it does not mean that; "": it does, or that is being brought in."""
