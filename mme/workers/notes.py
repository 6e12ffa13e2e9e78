"""What workers tell of models as events: loaded, evicted and why, died, isolated."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from mme.core.artifact import Admitted
    from mme.core.door import Answer
    from mme.core.events import Events
    from mme.workers.dispatch import Dispatch
    from mme.workers.live import LiveWorker
    from mme.workers.requests import Request
    from mme.workers.usage import Usage, UsageBook

KIB = 1024


class Notes:
    """Makes the events of one endpoint's workers."""

    def __init__(
        self,
        events: Events,
        usages: UsageBook,
        dispatch: Dispatch[Request],
        *,
        clock: Callable[[], float],
    ) -> None:
        self._events = events
        self._usages = usages
        self._dispatch = dispatch
        self._clock = clock

    def loaded(self, usage: Usage, answer: Answer) -> None:
        """A worker of the pool has loaded a model, and let others go to have room for it."""
        target = usage.artifact.target
        self._events.note(
            "loaded",
            target,
            f"loaded {target} in {answer.load_s * 1000:.1f} ms",
            level=logging.DEBUG,
            load_s=round(answer.load_s, 6),
        )
        for name in answer.dropped:
            left = self._usages.get(name)
            if left is not None and not self._dispatch.having(name):
                why = f"its worker keeps MME_RESIDENT_MODELS and took in {target}"
                self.evicted(left, left.own_bytes, why, level=logging.DEBUG)

    def loaded_alone(self, usage: Usage) -> None:
        """A model has a process of its own."""
        target = usage.artifact.target
        self._events.note(
            "loaded",
            target,
            f"loaded {target} in a process of its own, {usage.load_s:.3f} s",
            load_s=round(usage.load_s, 6),
        )

    def evicted(
        self,
        usage: Usage,
        freed_bytes: int,
        why: str,
        *,
        unload_s: float = 0.0,
        level: int = logging.INFO,
    ) -> None:
        """A model has left memory for another one, or because there was too little."""
        target, idle_s = usage.artifact.target, max(0.0, self._clock() - usage.used_at_s)
        self._events.note(
            "evicted",
            target,
            f"evicted {target}, which frees {freed_bytes // KIB} KiB: {why}; last used"
            f" {idle_s:.1f} s ago, loading it took {usage.load_s * 1000:.1f} ms",
            level=level,
            freed_bytes=freed_bytes,
            idle_s=round(idle_s, 3),
            unload_s=round(unload_s, 6),
            why=why,
        )

    def died(self, live: LiveWorker, request: Request | None) -> None:
        """A worker has ended that nobody had told to."""
        target = request.artifact.target if request is not None else ""
        doing = f" while it computed for {target}" if target else ""
        self._events.note(
            "worker_died",
            target or (live.artifact.target if live.artifact is not None else ""),
            f"worker {live.started.name} (pid {live.started.pid}) died{doing}",
            level=logging.WARNING,
            pid=live.started.pid,
        )

    def isolated(self, artifact: Admitted) -> None:
        """A model gets a process of its own."""
        self._events.note(
            "isolated",
            artifact.target,
            f"{artifact.target} has ended workers repeatedly: it gets one of its own",
            level=logging.WARNING,
        )
