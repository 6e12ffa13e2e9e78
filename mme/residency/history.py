"""What happened to each target last: why it failed, when and why it left memory, its updates.

Made from events as they come; bounded, what is oldest is forgotten. Pure.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mme.core.events import Event

MOST = 20_000


@dataclass(slots=True)
class TargetHistory:
    """Of one target; times are wall clock seconds, None: never."""

    error: str = ""
    """The last one; "": none since it was loaded last."""
    error_at: float | None = None
    failed_updates: int = 0
    """Since the last one that went well."""
    evicted_at: float | None = None
    evicted_why: str = ""
    idle_at_eviction_s: float | None = None
    """How long it had not been used when it was evicted last."""
    unloaded_at: float | None = None
    loaded_at: float | None = None
    gone_at: float | None = None
    """When it was found to be in the store no more."""


class History:
    """Of all targets that anything happened to. The event loop owns it."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._of: OrderedDict[str, TargetHistory] = OrderedDict()

    def of(self, target: str) -> TargetHistory | None:
        """One target's; None: nothing happened to it."""
        return self._of.get(target)

    def failed(self) -> int:
        """How many targets have an error."""
        return sum(bool(each.error) for each in self._of.values())

    def heard(self, event: Event) -> None:
        """Something has happened."""
        if not event.target:
            return
        known = self._of.pop(event.target, None) or TargetHistory()
        self._of[event.target] = known
        if len(self._of) > self._most:
            self._of.popitem(last=False)
        _noted(known, event)

    def errored(self, target: str, message: str, wall_s: float) -> None:
        """A request for a target had no answer."""
        known = self._of.setdefault(target, TargetHistory())
        known.error, known.error_at = message, wall_s
        if len(self._of) > self._most:
            self._of.popitem(last=False)


def _noted(known: TargetHistory, event: Event) -> None:
    match event.kind:
        case "load_failed" | "update_failed" | "worker_died":
            known.error, known.error_at = event.message, event.at
            known.failed_updates += event.kind == "update_failed"
        case "loaded":
            known.loaded_at = event.at
            known.error = "" if not known.failed_updates else known.error
        case "arrived" | "updated":
            known.error, known.failed_updates, known.gone_at = "", 0, None
        case "evicted":
            why, idle_s = event.facts.get("why"), event.facts.get("idle_s")
            known.evicted_at = event.at
            known.evicted_why = why if isinstance(why, str) else ""
            known.idle_at_eviction_s = idle_s if isinstance(idle_s, float) else None
        case "unloaded":
            known.unloaded_at = event.at
        case "gone":
            known.gone_at = event.at
        case _:
            pass
