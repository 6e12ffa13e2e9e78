"""What the management API and callers are shown: frozen copies, never the table's own objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mme.residency.table import Model, State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mme.cache import CachedArtifact
    from mme.residency.crew import Crew


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


@dataclass(frozen=True, slots=True)
class Answer:
    """A model's answer to one request; `cold` if the model had to be brought in for it."""

    status: int
    content_type: str | None
    custom_attributes: str | None
    body: bytes
    cold: bool


def view_of(
    model: Model, crew: Crew | None, fetched_at: float | None = None, *, pinned: bool = False
) -> ModelView:
    """The view of a model in the table, with its workers if it has any still."""
    return ModelView(
        target=model.target,
        state=model.state,
        name=model.name,
        version=model.version,
        archive_bytes=model.archive_bytes,
        unpacked_bytes=model.unpacked_bytes,
        in_flight=model.in_flight,
        invocations=model.invocations,
        own_bytes=(model.own_bytes + (crew.own_bytes if crew else 0)) or None,
        workers=len(crew) if crew else 0,
        pinned=pinned,
        load_s=model.load_s,
        fetched_at=fetched_at,
        loaded_at=model.loaded_at,
        last_used_at=model.last_used_at,
        details=dict(model.details),
    )


def view_on_disk(artifact: CachedArtifact) -> ModelView:
    """The view of an unpacked artifact that is not loaded."""
    return ModelView(
        target=artifact.target,
        state=State.ON_DISK,
        name=artifact.name,
        version=artifact.version,
        archive_bytes=artifact.archive_bytes,
        unpacked_bytes=artifact.unpacked_bytes,
        fetched_at=artifact.fetched_at,
    )
