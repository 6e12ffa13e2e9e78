"""What metrics are read from. Which parts of an endpoint these are, the composition knows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mme.metrics.http_counts import HttpCounts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mme.core.durations import Durations
    from mme.residency.observed import Observed
    from mme.residency.status import EndpointState


@dataclass(frozen=True, slots=True)
class Backlog:
    """Asynchronous inference as of one moment, all endpoints together."""

    waiting: int
    running: int
    counts: Mapping[str, int] = field(default_factory=dict)
    """What has been counted, under CloudWatch's names."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Of one endpoint; what is a function is asked each time."""

    observed: Observed
    state: Callable[[], EndpointState]
    mode: str
    version: str
    http: HttpCounts = field(default_factory=HttpCounts)
    store_error: Callable[[], str] | None = None
    """What was wrong with the store when it was asked last; None: there is no store."""
    backlog: Callable[[], Backlog] | None = None
    """None: there is no asynchronous inference."""
    bodies: Callable[[], tuple[int, int]] | None = None
    """What the bodies of requests under way hold, and may hold, in bytes."""
    loaded_models: Callable[[], int] | None = None
    """How many models a platform has loaded; None: those that are in memory count."""
    steps: Mapping[tuple[str, str], Durations] = field(default_factory=dict)
    """How long steps of pipelines took, by pipeline and step."""
    endpoint_names: Sequence[str] = ()
    """The names it answers to; none: any."""
