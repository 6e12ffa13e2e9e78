"""What `mme top` knows of an endpoint: its state, the models in use, the last events.

Filled once by plain requests (`read_once`), then by one stream that a thread reads (`Follower`).
Models are kept up to a bound, those used last; how often each is asked a second is made of two
looks at its count.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mme.cli.client import EndpointUnreachable, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mme.cli.client import Endpoint
    from mme.cli.frames import Frame

MOST_MODELS = 1000
MOST_EVENTS = 50
FIRST_MODELS = 200
RATE_S = 0.5
"""A shorter time between two looks tells no rate."""
STILL_S = 3.0
"""A model that was not told of for so long is not asked any more."""
AGAIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Known:
    """One model: what was told of it last, and how often it is asked."""

    model: dict[str, Any]
    told_at_s: float
    per_s: float
    counted: int
    """How often it had been asked when its rate was reckoned last."""
    counted_at_s: float

    def again(self, model: dict[str, Any], now_s: float) -> Known:
        """The same as it is told now."""
        past_s = now_s - self.counted_at_s
        if past_s < RATE_S:
            return replace(self, model=model, told_at_s=now_s)
        asked = _count(model)
        return Known(model, now_s, max(0, asked - self.counted) / past_s, asked, now_s)


@dataclass(slots=True)
class Seen:
    """Everything; owned by one thread at a time."""

    url: str
    status: dict[str, Any] = field(default_factory=dict)
    models: dict[str, Known] = field(default_factory=dict)
    events: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=MOST_EVENTS))
    trouble: str = ""
    """Why nothing new comes."""

    def take_status(self, status: dict[str, Any], now_s: float) -> None:
        """The state, with the models that take most, which are in memory."""
        self.status = status
        for share in status.get("top", ()):
            known = self.models.get(str(share.get("target_model")))
            told = {} if known is None else known.model
            self._take({**told, **share, "state": "ready"}, now_s)

    def take_models(self, models: Iterable[dict[str, Any]], now_s: float) -> None:
        """Models as the list has them."""
        for model in models:
            self._take(model, now_s)
        for target in self._too_many():
            del self.models[target]

    def take_events(self, events: Iterable[dict[str, Any]]) -> None:
        """Events, the oldest first."""
        self.events.extend(events)

    def copied(self, now_s: float) -> Seen:
        """A copy that does not change; models of which nothing was told for long are not asked."""
        models = {
            target: known if now_s - known.told_at_s <= STILL_S else replace(known, per_s=0.0)
            for target, known in self.models.items()
        }
        return Seen(self.url, self.status, models, deque(self.events), self.trouble)

    def _take(self, model: dict[str, Any], now_s: float) -> None:
        target = str(model.get("target_model", ""))
        former = self.models.get(target)
        self.models[target] = (
            Known(model, now_s, 0.0, _count(model), now_s)
            if former is None
            else former.again(model, now_s)
        )

    def _too_many(self) -> list[str]:
        order = sorted(self.models, key=lambda target: self.models[target].told_at_s)
        return order[: max(0, len(order) - MOST_MODELS)]


def read_once(endpoint: Endpoint, *, clock: Callable[[], float] = time.monotonic) -> Seen:
    """The endpoint as it is. Raises EndpointUnreachable, Refused."""
    seen = Seen(endpoint.url)
    seen.take_models(endpoint.get("/models", limit=FIRST_MODELS, state="ready")["models"], clock())
    seen.take_status(endpoint.get("/status"), clock())
    seen.take_events(endpoint.get("/events", limit=MOST_EVENTS)["events"])
    return seen


class Follower:
    """Keeps a `Seen` up to date in a thread of its own, which ends with the process.

    `sleep` is called with the seconds from a break to the next try.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        seen: Seen,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._endpoint = endpoint
        self._seen = seen
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._is_stopped = threading.Event()

    def start(self) -> None:
        """Begin to follow."""
        threading.Thread(target=self._follow, name="follow", daemon=True).start()

    def stop(self) -> None:
        """Try no more once the stream has ended."""
        self._is_stopped.set()

    def now(self) -> Seen:
        """A copy of what is known now."""
        with self._lock:
            return self._seen.copied(self._clock())

    def _follow(self) -> None:
        after = self._seen.status.get("last_event_id")
        while not self._is_stopped.is_set():
            try:
                frames = self._endpoint.stream(
                    "/events", on_break=self._broken, after=after, status=1, models=1
                )
                for frame in frames:
                    after = frame.id or after
                    self._take(frame)
            except EndpointUnreachable as error:
                self._broken(str(error))
            except Refused as error:
                self._broken(error.message)
            self._sleep(AGAIN_S)

    def _broken(self, reason: str) -> None:
        with self._lock:
            self._seen.trouble = reason

    def _take(self, frame: Frame) -> None:
        try:
            content = json.loads(frame.data)
        except ValueError:
            return
        with self._lock:
            self._seen.trouble = ""
            match frame.event:
                case "status":
                    self._seen.take_status(content, self._clock())
                case "models":
                    self._seen.take_models(content, self._clock())
                case "events":
                    self._seen.take_events(content)


def _count(model: dict[str, Any]) -> int:
    found = model.get("invocations", 0)
    return found if isinstance(found, int) else 0
