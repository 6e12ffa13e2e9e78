"""The text that Prometheus reads, in its own format or in OpenMetrics, as it asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, choose_encoder
from prometheus_client.registry import Collector

from mme.metrics.families import all_but_models
from mme.metrics.model_families import by_model
from mme.metrics.named_models import NamedModels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from mme.metrics.sources import Sources

OPENMETRICS = "application/openmetrics-text"
OPENMETRICS_TYPE = f"{OPENMETRICS}; version=1.0.0; charset=utf-8"


class Exposition(Collector):
    """The metrics of one endpoint. The event loop owns it."""

    def __init__(self, sources: Sources, most_models: int) -> None:
        """`most_models` have series of their own."""
        self._sources = sources
        self._named = NamedModels(sources.observed.statistics, most_models)

    def collect(self) -> Iterator[Metric]:
        """All families."""
        yield from all_but_models(self._sources)
        yield from by_model(self._sources, self._named)

    def text(self, accept: str) -> tuple[bytes, str]:
        """The answer and its content type, for the header `Accept` of who asks."""
        is_open = any(form.partition(";")[0].strip() == OPENMETRICS for form in accept.split(","))
        # What else a client asks for, such as a version, is not looked at: there is one.
        encode, _ = choose_encoder(OPENMETRICS if is_open else "")
        return encode(self), OPENMETRICS_TYPE if is_open else CONTENT_TYPE_PLAIN_0_0_4
