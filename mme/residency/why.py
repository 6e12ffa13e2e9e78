"""Why a target model is in the state it is in: a sentence or two for people. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mme.residency.views import State

if TYPE_CHECKING:
    from mme.residency.history import TargetHistory
    from mme.residency.views import ModelView

KIB = 1024
STATES = {
    State.IN_STORE: "{} is in the store and nothing of it is here",
    State.DOWNLOADING: "{} is on its way to this disk, or is being checked there",
    State.ON_DISK: "{} is on this disk, checked and converted, and not in memory",
    State.LOADING: "{} is being loaded: requests wait for it",
    State.READY: "{} is in memory and answers",
}
UNASKED = (
    "Nobody has asked for it since this cache was begun, or it had to leave the disk;"
    " the next request brings it in"
)
WITH_ITS_WORKER = (
    "No worker has it now: those that had it have ended or were replaced, as when a language is"
    " prepared; the next request loads it"
)
FAILED_IN_STORE = "{} is in the store and could not be brought in; the next request tries again"


def sentence(view: ModelView, happened: TargetHistory | None) -> str:
    """Why it is so, and what failed last."""
    has_failed = view.state is State.IN_STORE and happened is not None and bool(happened.error)
    form = FAILED_IN_STORE if has_failed else STATES[view.state]
    parts = [form.format(view.target)]
    if view.state is State.READY:
        parts[0] += _use(view)
    if happened is not None:
        parts += _past(view, happened)
    if len(parts) == 1:
        was_loaded = happened is not None and happened.loaded_at is not None
        parts += _nothing_happened(view.state, was_loaded=was_loaded)
    if view.pinned:
        parts.append("It is pinned, so it does not leave for others")
    if view.gone_from_store:
        parts.append("The store does not have it any more; what is here serves on")
    return ". ".join(parts) + "."


def _nothing_happened(state: State, *, was_loaded: bool) -> list[str]:
    """Why it is away although it neither left for others nor failed."""
    if state is State.IN_STORE:
        return [UNASKED]
    if state is State.ON_DISK:
        return [
            WITH_ITS_WORKER
            if was_loaded
            else "It has not been asked for since the endpoint started"
        ]
    return []


def _use(view: ModelView) -> str:
    kib = (view.own_bytes or 0) // KIB
    taken = f", {kib / KIB:.1f} MiB" if kib >= KIB else f", {kib} KiB" if kib else ""
    loaded = f" since {_time(view.loaded_at)}" if view.loaded_at is not None else ""
    return f"{loaded} in {view.workers} of the workers{taken}"


def _past(view: ModelView, happened: TargetHistory) -> list[str]:
    parts = []
    is_away = view.state in (State.ON_DISK, State.IN_STORE)
    left_at = max(happened.evicted_at or 0.0, happened.unloaded_at or 0.0)
    is_away = is_away and left_at >= (happened.loaded_at or 0.0)
    if is_away and left_at and left_at == happened.evicted_at:
        parts.append(
            f"It was evicted at {_time(left_at)}, unused for {happened.idle_at_eviction_s:.1f} s,"
            f" because {happened.evicted_why}"
            if happened.evicted_why and happened.idle_at_eviction_s is not None
            else f"It was evicted at {_time(left_at)}"
        )
    elif is_away and left_at:
        parts.append(f"It was unloaded at {_time(left_at)}, as was asked for")
    if happened.error and happened.error_at is not None:
        parts.append(f"Its last failure was at {_time(happened.error_at)}: {happened.error}")
    if happened.failed_updates:
        parts.append(f"{happened.failed_updates} updates of it have failed since the last good one")
    return parts


def _time(wall_s: float) -> str:
    return datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="seconds")
