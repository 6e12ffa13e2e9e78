"""What an invocation of an endpoint goes to: which variant, which model, on what terms.

Endpoints that the control plane has created answer as created; any other name answers from
`MME_STORE`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mme.core.errors import EndpointNotFound, InvalidRequest, TargetNeeded, TargetNotFound
from mme.core.names import check_target
from mme.core.terms import PLAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mme.core.answer import Answer
    from mme.core.settings import Settings
    from mme.core.terms import Terms
    from mme.endpoints.live import Live

ONE_VARIANT = "AllTraffic"
SHOWN_CHARS = 100


@dataclass(frozen=True, slots=True)
class Chosen:
    """What one invocation goes to."""

    endpoint: str
    variant: str
    key: str
    """What the engine calls the model: a target of `MME_STORE`, or the URI of an artifact."""
    target: str
    """What the caller named; empty where the endpoint has one model."""


@dataclass(frozen=True, slots=True)
class AsyncTerms:
    """How an endpoint answers asynchronous invocations: its AsyncInferenceConfig."""

    output_uri: str
    failure_uri: str = ""
    success_topic: str = ""
    error_topic: str = ""
    responses_in: frozenset[str] = frozenset()
    """Of SUCCESS_NOTIFICATION_TOPIC and ERROR_NOTIFICATION_TOPIC."""
    most_concurrent: int | None = None


class Models(Protocol):
    """The engine, as far as it is asked here."""

    async def invoke(
        self, target: str, headers: Mapping[str, str], body: bytes, terms: Terms = PLAIN
    ) -> Answer:
        """Answer one request."""


class Created(Protocol):
    """The endpoints that were created, as far as invocations ask."""

    def live(self, endpoint: str) -> Live | None:
        """The endpoint of that name."""

    def idle_after_s(self) -> float | None:
        """See `Serving.idle_after_s`."""


class Pipelines(Protocol):
    """The pipelines that the operator has named, as endpoints."""

    def key(self, endpoint: str, target: str | None) -> str | None:
        """What an invocation of one asks for; None: there is none of that name.

        Raises InvalidRequest, as for a target it needs, or does not take.
        """


class Serving:
    """Invocations by endpoint."""

    def __init__(
        self,
        settings: Settings,
        models: Models,
        created: Created | None = None,
        draw: Callable[[], float] = random.random,
        pipelines: Pipelines | None = None,
    ) -> None:
        """`draw` gives the numbers by which variants are chosen, from 0 to below 1."""
        self._pipelines = pipelines
        self._endpoint_names = settings.endpoint_names
        self._async_output = settings.async_output
        self._models = models
        self._created = created
        self._draw = draw
        self._good_target: str | None = None
        """The last that was looked at: many requests have the same."""

    def choose(
        self,
        endpoint: str,
        target: str | None,
        variant: str | None = None,
        container: str | None = None,
    ) -> Chosen:
        """What an invocation goes to; an `endpoint` of "" is whichever.

        Raises EndpointNotFound, InvalidRequest.
        """
        live = self._live(endpoint)
        if live is not None:
            return live.choose(target, variant, self._draw, self._checked, container)
        pipeline = self._pipeline(endpoint, target)
        is_listed = not self._endpoint_names or endpoint in self._endpoint_names
        if endpoint and pipeline is None and not is_listed:
            raise EndpointNotFound(endpoint, self._endpoint_names)
        if container is not None:
            raise InvalidRequest(
                f"TargetContainerHostname {container[:SHOWN_CHARS]!r} cannot be used: the endpoint"
                " has no containers to choose from"
            )
        if variant is not None and variant != ONE_VARIANT:
            raise InvalidRequest(
                f"Variant {variant[:SHOWN_CHARS]!r} is not one of the endpoint's: it has"
                f" {ONE_VARIANT}"
            )
        if pipeline is not None:
            return Chosen(endpoint, ONE_VARIANT, pipeline, target or "")
        if target is None:
            raise TargetNeeded("This")
        return Chosen(endpoint, ONE_VARIANT, self._checked(target), target)

    def check_real_time(self, endpoint: str) -> None:
        """Raise InvalidRequest for an endpoint that answers asynchronous invocations only."""
        live = self._live(endpoint)
        if live is not None and live.async_terms is not None:
            raise InvalidRequest(
                f"Endpoint {endpoint!r} has an AsyncInferenceConfig: it answers"
                " InvokeEndpointAsync, not InvokeEndpoint"
            )

    def async_terms(self, endpoint: str) -> AsyncTerms:
        """How an endpoint answers asynchronous invocations. Raises InvalidRequest: it does not."""
        live = self._live(endpoint)
        if live is None and self._async_output:
            return AsyncTerms(self._async_output)
        if live is None:
            raise InvalidRequest(
                f"Endpoint {endpoint!r} was not created with an AsyncInferenceConfig; set"
                " MME_ASYNC_OUTPUT to have endpoints that were not created answer asynchronous"
                " invocations too"
            )
        if live.async_terms is None:
            raise InvalidRequest(
                f"Endpoint {endpoint!r} has no AsyncInferenceConfig: it answers InvokeEndpoint,"
                " not InvokeEndpointAsync"
            )
        if not live.async_terms.output_uri:
            raise InvalidRequest(
                f"The AsyncInferenceConfig of endpoint {endpoint!r} has no S3OutputPath"
            )
        return live.async_terms

    def most_concurrent(self, endpoint: str) -> int | None:
        """How many asynchronous invocations it executes at a time; None: it does not say."""
        live = self._live(endpoint)
        terms = live.async_terms if live is not None else None
        return terms.most_concurrent if terms is not None else None

    def idle_after_s(self) -> float | None:
        """After how long without a request nothing need stay up; None: something must.

        It is the smallest cool-down, if every endpoint that was created may go to zero.
        """
        return self._created.idle_after_s() if self._created is not None else None

    async def invoke(
        self, chosen: Chosen, headers: Mapping[str, str], body: bytes, terms: Terms = PLAIN
    ) -> Answer:
        """The model's answer. Raises EndpointError."""
        try:
            return await self._models.invoke(chosen.key, headers, body, terms)
        except TargetNotFound as error:
            prefix = chosen.key.removesuffix(chosen.target)
            if not prefix or not chosen.target or not error.target.startswith(prefix):
                raise
            raise error.named(error.target.removeprefix(prefix)) from None

    def _pipeline(self, endpoint: str, target: str | None) -> str | None:
        if self._pipelines is None:
            return None
        return self._pipelines.key(endpoint, None if target is None else self._checked(target))

    def _checked(self, target: str) -> str:
        if target != self._good_target:
            self._good_target = check_target(target)
        return target

    def _live(self, endpoint: str) -> Live | None:
        return self._created.live(endpoint) if self._created is not None else None
