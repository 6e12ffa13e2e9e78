"""Series by model: of those used most, and of all others together under one name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)

from mme.metrics.named_models import OTHERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mme.metrics.named_models import Counts, NamedModels
    from mme.metrics.sources import Sources

LABEL = "target_model"
QUANTILES = (0.5, 0.99)


def by_model(sources: Sources, named: NamedModels) -> Iterator[Metric]:
    """The families."""
    counts = dict(named.counts())
    yield from _counted(counts)
    yield _latencies(sources, counts)
    yield _steps(sources, counts)
    yield from _in_memory(sources, counts)


def _counted(counts: dict[str, Counts]) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "mme_model_invocations", "Invocations by model.", labels=(LABEL,)
    )
    errors = CounterMetricFamily(
        "mme_model_errors",
        "Invocations by model that it answered with 4xx or 5xx, or not at all.",
        labels=(LABEL,),
    )
    seconds = CounterMetricFamily(
        "mme_model_invocation_seconds", "What invocations took, by model.", labels=(LABEL,)
    )
    for target, counted in counts.items():
        labels = (printable(target),)
        requests.add_metric(labels, float(counted.requests))
        errors.add_metric(labels, float(counted.errors))
        seconds.add_metric(labels, counted.seconds)
    yield from (requests, errors, seconds)


def _latencies(sources: Sources, counts: dict[str, Counts]) -> Metric:
    family = GaugeMetricFamily(
        "mme_model_recent_latency_seconds",
        "What half, and 99 of 100, of a model's last invocations did not exceed.",
        labels=(LABEL, "quantile"),
    )
    for target in counts:
        seen = sources.observed.statistics.of(target)
        if seen is not None:
            found = seen.latencies.quantiles(*QUANTILES)
            for quantile, value in zip(QUANTILES, found, strict=True):
                if value is not None:
                    family.add_metric((printable(target), f"{quantile:g}"), value)
    return family


def _steps(sources: Sources, counts: dict[str, Counts]) -> Metric:
    family = SummaryMetricFamily(
        "mme_model_step_duration_seconds",
        "What the steps of an ensemble took.",
        labels=(LABEL, "step"),
    )
    for (target, step), spent in sources.observed.spent.steps.items():
        if target in counts:
            family.add_metric((printable(target), step), spent.count, spent.total_s)
    return family


def _in_memory(sources: Sources, counts: dict[str, Counts]) -> Iterator[Metric]:
    """Of the named models, and of those that take most: who eats the memory need not be in use."""
    state = sources.state()
    memory = GaugeMetricFamily(
        "mme_model_memory_bytes",
        "What a model takes in all workers that have it, mapped files aside; 0: it is in none.",
        labels=(LABEL,),
    )
    in_flight = GaugeMetricFamily(
        "mme_model_in_flight", "Invocations of a model under way.", labels=(LABEL,)
    )
    told = dict.fromkeys(counts) | dict.fromkeys(share.target for share in state.top)
    del told[OTHERS]
    left_bytes = state.models_bytes
    left_in_flight = sum(share.in_flight for share in state.shares.values())
    for target in told:
        share = state.shares.get(target)
        own_bytes, running = (0, 0) if share is None else (share.own_bytes, share.in_flight)
        left_bytes, left_in_flight = left_bytes - own_bytes, left_in_flight - running
        memory.add_metric((printable(target),), float(own_bytes))
        in_flight.add_metric((printable(target),), float(running))
    memory.add_metric((OTHERS,), float(left_bytes))
    in_flight.add_metric((OTHERS,), float(left_in_flight))
    yield from (memory, in_flight)


def printable(target: str) -> str:
    """A target as UTF-8 can have it: names of files may hold what it cannot."""
    return target.encode("utf-8", "backslashreplace").decode()
