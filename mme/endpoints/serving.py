"""What an invocation of an endpoint goes to: which variant, which model, on what terms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mme.core.errors import EndpointNotFound, InvalidRequest
from mme.core.names import check_target
from mme.core.terms import PLAIN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mme.core.answer import Answer
    from mme.core.settings import Settings
    from mme.core.terms import Terms

ONE_VARIANT = "AllTraffic"


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


class Serving:
    """Invocations by endpoint."""

    def __init__(self, settings: Settings, models: Models) -> None:
        self._endpoint_names = settings.endpoint_names
        self._models = models
        self._good_target = ""
        """The last that was looked at: many requests have the same."""

    def choose(self, endpoint: str, target: str | None, variant: str | None = None) -> Chosen:
        """What an invocation goes to; an `endpoint` of "" is whichever.

        Raises EndpointNotFound, InvalidRequest.
        """
        if endpoint and self._endpoint_names and endpoint not in self._endpoint_names:
            raise EndpointNotFound(endpoint, self._endpoint_names)
        if variant is not None and variant != ONE_VARIANT:
            raise InvalidRequest(
                f"Variant {variant!r} is not one of the endpoint's: it has {ONE_VARIANT}"
            )
        if target is None:
            raise InvalidRequest("This is a multi-model endpoint: name a target model")
        if target != self._good_target:
            self._good_target = check_target(target)
        return Chosen(endpoint, ONE_VARIANT, target, target)

    def async_terms(self, endpoint: str) -> AsyncTerms | None:
        """How an endpoint answers asynchronous invocations; None: it does not."""
        del endpoint
        return None

    async def invoke(
        self, chosen: Chosen, headers: Mapping[str, str], body: bytes, terms: Terms = PLAIN
    ) -> Answer:
        """The model's answer. Raises EndpointError."""
        return await self._models.invoke(chosen.key, headers, body, terms)
