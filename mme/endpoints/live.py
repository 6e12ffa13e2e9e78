"""An endpoint as invocations meet it: its variants, their weights, where their models are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mme.core.errors import InvalidRequest
from mme.core.names import check_target
from mme.endpoints.containers import Containers
from mme.endpoints.model_data import s3_uri
from mme.endpoints.serving import AsyncTerms, Chosen

if TYPE_CHECKING:
    from collections.abc import Callable

    from mme.endpoints.records import Record

IN_SERVICE, FAILED = "InService", "Failed"
SHOWN_CHARS = 100


@dataclass(frozen=True, slots=True)
class Variant:
    """One production variant."""

    name: str
    weight: float
    containers: Containers


@dataclass(frozen=True, slots=True)
class Live:
    """One endpoint."""

    name: str
    status: str
    failure: str
    variants: tuple[Variant, ...]
    async_terms: AsyncTerms | None

    def choose(
        self,
        target: str | None,
        variant: str | None,
        draw: Callable[[], float],
        check: Callable[[str], str] = check_target,
        container: str | None = None,
    ) -> Chosen:
        """What an invocation goes to; `draw` gives numbers from 0 to below 1.

        `container` is the one that is named. Raises InvalidRequest, as `check` does for a target
        that is no plain path.
        """
        if self.status != IN_SERVICE:
            raise InvalidRequest(f"Endpoint {self.name!r} is {self.status}: {self.failure}")
        chosen = self._by_weight(draw) if variant is None else self._named(variant)
        whose = f"Endpoint {self.name!r}"
        containers = chosen.containers.named(whose, container)
        containers.check_target(whose, f"its variant {chosen.name!r}", target)
        key = containers.key(self.name, target, check)
        return Chosen(self.name, chosen.name, key, target or "")

    def _named(self, name: str) -> Variant:
        for variant in self.variants:
            if variant.name == name:
                return variant
        names = ", ".join(variant.name for variant in self.variants)
        raise InvalidRequest(
            f"Variant {name[:SHOWN_CHARS]!r} is not one of the endpoint's: it has {names}"
        )

    def _by_weight(self, draw: Callable[[], float]) -> Variant:
        if len(self.variants) == 1:
            return self.variants[0]
        left = draw() * sum(variant.weight for variant in self.variants)
        for variant in self.variants:
            left -= variant.weight
            if left < 0:
                return variant
        return self.variants[0]  # nobody has a weight


def live_of(record: Record) -> Live:
    """The endpoint that a record describes."""
    content = record.content
    return Live(
        name=record.name,
        status=content["Status"],
        failure=content.get("FailureReason", ""),
        variants=tuple(
            _variant(variant, content) for variant in content["Config"]["ProductionVariants"]
        ),
        async_terms=_async_terms(content["Config"].get("AsyncInferenceConfig")),
    )


def _variant(variant: dict[str, Any], content: dict[str, Any]) -> Variant:
    name = variant["VariantName"]
    containers = Containers.from_json(content["Sources"][variant["ModelName"]])
    return Variant(name, content["Weights"][name], containers)


def _async_terms(config: dict[str, Any] | None) -> AsyncTerms | None:
    if config is None:
        return None
    output = config["OutputConfig"]
    topics = output.get("NotificationConfig", {})
    return AsyncTerms(
        output_uri=_uri(output.get("S3OutputPath", "")),
        failure_uri=_uri(output.get("S3FailurePath", "")),
        success_topic=topics.get("SuccessTopic", ""),
        error_topic=topics.get("ErrorTopic", ""),
        responses_in=frozenset(topics.get("IncludeInferenceResponseIn", ())),
        most_concurrent=config.get("ClientConfig", {}).get("MaxConcurrentInvocationsPerInstance"),
    )


def _uri(url: str) -> str:
    return s3_uri(url) if url else ""
