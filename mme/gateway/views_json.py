"""What the management surface shows, in JSON: times ISO-8601 in UTC, bytes, seconds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mme.core.events import Event
    from mme.residency.observed import Observed
    from mme.residency.status import EndpointState, Share
    from mme.residency.views import AliasView, ModelView


def model_json(view: ModelView) -> dict[str, object]:
    """One model; what is not known is left out."""
    content: dict[str, object] = {
        "target_model": view.target,
        "state": view.state.value,
        "version": view.version,
        "archive_bytes": view.archive_bytes,
        "unpacked_bytes": view.unpacked_bytes,
        "memory_bytes": view.own_bytes,
        "workers": view.workers,
        "pinned": view.pinned,
        "in_flight": view.in_flight,
        "invocations": view.invocations,
        "errors": view.errors,
        "p50_ms": _ms(view.p50_s),
        "p99_ms": _ms(view.p99_s),
        "load_s": view.load_s,
        "fetched_at": iso(view.fetched_at),
        "loaded_at": iso(view.loaded_at),
        "last_used_at": iso(view.last_used_at),
        "modified_at": iso(view.modified_at),
        "evicted_at": iso(view.evicted_at),
        "age_at_eviction_s": view.idle_at_eviction_s,
    }
    if view.error:
        content["last_error"] = {"at": iso(view.error_at), "message": view.error}
    if view.failed_updates:
        content["failed_updates"] = view.failed_updates
    if view.gone_from_store:
        content["gone_from_store"] = True
    if view.aliases:
        content["aliases"] = list(view.aliases)
    if view.details:
        content["model"] = dict(view.details)
    return {key: value for key, value in content.items() if value is not None}


def alias_json(view: AliasView) -> dict[str, object]:
    """One alias."""
    content: dict[str, object] = {"alias": view.alias, "target_model": view.target}
    if view.wanted != view.target:
        content["wanted"] = view.wanted
        content["state"] = "refused" if view.reason else "loading"
    if view.reason:
        content["reason"] = view.reason
    return content


def event_json(event: Event) -> dict[str, object]:
    """One event."""
    return {
        "id": event.id,
        "at": iso(event.at),
        "kind": event.kind,
        "target_model": event.target,
        "message": event.message,
        **event.facts,
    }


def status_json(state: EndpointState, observed: Observed) -> dict[str, object]:
    """The state of the endpoint and what it has done."""
    statistics, counts = observed.statistics, observed.events.counts
    p50_s, p99_s = statistics.latencies.quantiles(0.5, 0.99)
    outcomes: dict[str, int] = {}
    for (outcome, _), count in statistics.results.items():
        outcomes[outcome] = outcomes.get(outcome, 0) + count
    return {
        "health": {"ready": not state.missing, "reason": state.missing},
        "memory": {
            "used_bytes": state.memory.used,
            "limit_bytes": state.memory.limit,
            "high_bytes": state.high_bytes,
            "low_bytes": state.low_bytes,
            "models_bytes": state.models_bytes,
        },
        "tasks": {
            "used": state.tasks.used,
            "limit": state.tasks.limit,
            "high": state.most_tasks,
        },
        "disk": {"used_bytes": state.disk_bytes, "limit_bytes": state.disk_limit_bytes},
        "models": {
            "ready": state.resident,
            "on_disk": state.on_disk,
            "downloading": state.downloading,
            "pinned": state.pinned,
            "failed": state.failed,
        },
        "workers": {
            "pool": state.workers.pool,
            "own": state.workers.own,
            "busy": state.workers.busy,
            "resting": state.workers.is_resting,
        },
        "queue": {"waiting": state.workers.waiting, "in_flight": state.workers.in_flight},
        "requests": {
            "total": statistics.requests,
            "errors": statistics.errors,
            **{outcome: outcomes.get(outcome, 0) for outcome in ("warm", "cold", "first")},
            "per_s": round(statistics.per_s(), 2),
            "p50_ms": _ms(p50_s),
            "p99_ms": _ms(p99_s),
        },
        "loads": counts["loaded"],
        "evictions": counts["evicted"],
        "worker_deaths": counts["worker_died"],
        "top": [_share_json(share, observed) for share in state.top],
        "last_event_id": observed.events.last_id,
    }


def iso(wall_s: float | None) -> str | None:
    """`2026-01-31T12:00:00.123+00:00`."""
    if wall_s is None:
        return None
    return datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="milliseconds")


def _share_json(share: Share, observed: Observed) -> dict[str, object]:
    counted = observed.statistics.of(share.target)
    p50_s, p99_s = (None, None) if counted is None else counted.latencies.quantiles(0.5, 0.99)
    return {
        "target_model": share.target,
        "memory_bytes": share.own_bytes,
        "in_flight": share.in_flight,
        "invocations": 0 if counted is None else counted.requests,
        "p50_ms": _ms(p50_s),
        "p99_ms": _ms(p99_s),
    }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)
