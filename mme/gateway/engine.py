"""What the surfaces ask of the engine behind them, one protocol a surface.

The engine returns facts and raises `mme.core.errors`; what these look like on the wire is for the
surface. A call may be cancelled at any moment, since a client may hang up at any moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from mme.core.terms import PLAIN

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from mme.core.answer import Answer
    from mme.core.terms import Terms
    from mme.residency.observed import Observed
    from mme.residency.sample_requests import SampleRequest
    from mme.residency.status import States
    from mme.residency.views import AliasView, ModelPage, ModelView, State


class Standalone(Protocol):
    """Target models of a store: they come in when they are asked for."""

    async def invoke(
        self, target: str, headers: Mapping[str, str], body: bytes, terms: Terms = PLAIN
    ) -> Answer:
        """Answer one request. Raises EndpointError."""

    async def load(self, target: str) -> ModelView:
        """Bring a model in; returns when it answers. Raises EndpointError."""

    async def unload(self, target: str) -> None:
        """Let a model go; returns when it is out of memory. Raises NotLoaded."""

    async def listing(
        self, after: str, limit: int, prefix: str = "", states: Collection[State] = ()
    ) -> ModelPage:
        """At most `limit` models with targets above `after`, in order.

        Of those that begin with `prefix`, in one of `states` if there are any.
        """

    async def describe(self, target: str) -> ModelView:
        """One model that is here or in the store. Raises NotOffered, StoreUnavailable."""

    async def details(self, target: str) -> Mapping[str, object]:
        """What a model says of itself; it comes to this disk for it. Raises as `load` does."""

    def pin(self, target: str) -> ModelView:
        """Have a model stay in memory once it is there. Raises NotLoaded if it is not here."""

    def unpin(self, target: str) -> ModelView:
        """Let it leave again. Raises NotLoaded, PinnedBySettings."""

    async def sample(self, target: str) -> SampleRequest:
        """A request to try a model with that is on this disk. Raises NotLoaded, SampleFailed."""

    def alias_page(self, after: str, limit: int) -> tuple[list[AliasView], bool]:
        """At most `limit` aliases above `after`, in order; whether there are more."""

    async def is_ready(self, timeout_s: float) -> bool:
        """Whether requests can be answered, as known within `timeout_s`."""


class Observable(Protocol):
    """What happens inside, to be shown."""

    observed: Observed
    states: States

    @property
    def store_uri(self) -> str:
        """Where artifacts come from."""

    @property
    def store_error(self) -> str:
        """What was wrong with it when it was asked last; "": nothing."""

    def here(self, target: str) -> ModelView | None:
        """One model that is on this disk or on its way; None: it is not."""

    async def explain(self, target: str) -> tuple[ModelView, str]:
        """One model and why it is in its state. Raises NotOffered, StoreUnavailable."""


class Platform(Protocol):
    """Models that a platform loads and unloads, by the names it gives them."""

    def check(self, name: str) -> None:
        """Raise NotLoaded if requests to this model would be refused."""

    async def invoke(
        self, name: str, headers: Mapping[str, str], body: bytes, terms: Terms = PLAIN
    ) -> Answer:
        """Answer one request. Raises EndpointError."""

    def check_target(self, target: str) -> None:
        """Raise NotLoaded or InvalidRequest if `invoke_target` would not find this one."""

    async def invoke_target(
        self, target: str, headers: Mapping[str, str], body: bytes, terms: Terms = PLAIN
    ) -> Answer:
        """Answer one request to a model by its folder, loading it first. Raises EndpointError."""

    async def load(self, name: str, url: str) -> None:
        """Load the model in the folder `url`; returns when it answers. Raises EndpointError."""

    async def unload(self, name: str) -> None:
        """Unload a model; returns when its memory is free. Raises NotLoaded."""

    def page(self, after: str, limit: int) -> tuple[list[tuple[str, Path]], bool]:
        """At most `limit` names above `after` with their folders, in order; whether more follow."""

    def folder(self, name: str) -> Path:
        """The folder of a loaded model. Raises NotLoaded."""

    async def is_ready(self, timeout_s: float) -> bool:
        """Whether models can be loaded, as known within `timeout_s`."""


class Sole(Protocol):
    """The one model of a single-model container."""

    @property
    def workers(self) -> int:
        """How many requests it answers side by side."""

    async def invoke(self, headers: Mapping[str, str], body: bytes, terms: Terms = PLAIN) -> Answer:
        """Answer one request. Raises EndpointError."""

    async def is_ready(self, timeout_s: float) -> bool:
        """Whether the model is loaded and answers, as known within `timeout_s`."""
