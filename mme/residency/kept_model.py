"""The one model of a container, kept answering as a child process is kept running.

A model whose own worker has died is loaded again when somebody looks, without waiting for a
request. One that gives no answer several times in a row, since it ends its workers or cannot be
loaded again, is given up; the container then ends and tells why. A request that takes too long is
no such failure: it says something about the request.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

from mme.core.background import BackgroundTasks
from mme.core.errors import EndpointError, ModelFailed, ModelTimedOut
from mme.core.terms import PLAIN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mme.core.answer import Answer
    from mme.core.terms import Terms

log = logging.getLogger(__name__)

MOST_FAILURES = 5
"""So many in a row, without one answer between them, are too many."""


class Sole(Protocol):
    """The model that is kept."""

    @property
    def workers(self) -> int:
        """How many requests it answers side by side."""

    @property
    def has_worker(self) -> bool:
        """Whether there is a process that it can answer in, as far as is known."""

    async def load(self) -> None:
        """Have it in memory. Raises EndpointError."""

    async def invoke(self, headers: Mapping[str, str], body: bytes, terms: Terms = PLAIN) -> Answer:
        """Answer one request. Raises EndpointError."""

    async def is_ready(self, timeout_s: float) -> bool:
        """Whether requests can be taken, as known within `timeout_s`."""


class KeptModel:
    """What the surface asks (`mme.gateway.engine.Sole`). The event loop owns it.

    `gave_up` is set, with the reason in `failure`, when the model does not answer any more.
    """

    def __init__(self, model: Sole) -> None:
        self.gave_up = asyncio.Event()
        self.failure: str | None = None
        self._model = model
        self._failures = 0
        self._background = BackgroundTasks()
        self._loading: asyncio.Task[None] | None = None

    @property
    def workers(self) -> int:
        """How many requests it answers side by side."""
        return self._model.workers

    async def invoke(self, headers: Mapping[str, str], body: bytes, terms: Terms = PLAIN) -> Answer:
        """Answer one request. Raises EndpointError."""
        try:
            answer = await self._model.invoke(headers, body, terms)
        except ModelTimedOut:
            raise
        except ModelFailed as error:
            self._note(error)
            raise
        self._failures = 0
        return answer

    async def is_ready(self, timeout_s: float) -> bool:
        """Whether the model answers; if it has no worker it is being loaded from now on."""
        if not await self._model.is_ready(timeout_s):
            return False
        if self._model.has_worker:
            return True
        if self._loading is None or self._loading.done():
            self._loading = self._background.start(self._load_again())
        return False

    async def close(self) -> None:
        """End the background work."""
        await self._background.close()

    async def _load_again(self) -> None:
        log.warning("the model has no worker and is loaded again")
        try:
            await self._model.load()
        except ModelFailed as error:
            self._note(error)
        except EndpointError as error:
            log.warning("the model is not loaded: %s", error.message)

    def _note(self, error: ModelFailed) -> None:
        self._failures += 1
        if self._failures >= MOST_FAILURES and not self.gave_up.is_set():
            self.failure = f"the model failed {self._failures} times in a row: {error.body}"
            self.gave_up.set()
