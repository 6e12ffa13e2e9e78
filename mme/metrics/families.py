"""The families of metrics that Prometheus is given, made from `Sources` each time it asks.

Names and units follow its conventions: `mme_` first, base units, `_total` for counts. All that can
be there is there from the start, at 0, so that a rate has something to start from. Series by model
are in `model_families.py`.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
    SummaryMetricFamily,
)

from mme.core.events import KINDS
from mme.core.spent import STAGES
from mme.core.statistics import BOUNDS_S, OUTCOMES
from mme.workers.batches import SIZES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from mme.core.durations import Durations
    from mme.metrics.sources import Sources

STATUS_CLASSES = ("2xx", "4xx", "5xx")
BUCKETS = (*(str(bound) for bound in BOUNDS_S), "+Inf")


def all_but_models(sources: Sources) -> Iterator[Metric]:
    """All families but those by model."""
    yield from _endpoint(sources)
    yield from _invocations(sources)
    yield from _http(sources)
    yield from _happened(sources)
    yield from _room(sources)
    yield from _asynchronous(sources)
    yield from _pipelines(sources)


def _endpoint(sources: Sources) -> Iterator[Metric]:
    told = {"version": sources.version, "mode": sources.mode}
    yield InfoMetricFamily("mme_build", "What is running.", told)
    started = sources.observed.statistics.began_at
    yield gauge("mme_start_time_seconds", "When the endpoint was started, Unix time.", started)
    is_ready = not sources.state().missing
    yield gauge("mme_ready", "1 while requests can be answered, else 0.", is_ready)
    if sources.store_error is not None:
        text = "1 while the store answered when it was asked last, else 0."
        yield gauge("mme_store_up", text, not sources.store_error())


def _invocations(sources: Sources) -> Iterator[Metric]:
    statistics = sources.observed.statistics
    counts = {(outcome, result): 0 for outcome in OUTCOMES for result in STATUS_CLASSES}
    counts |= statistics.results
    yield counter(
        "mme_invocations",
        "Invocations by how warm the model was and what came of them: the class of the model's"
        " status, the kind of error there was instead, or left: the caller did not wait.",
        counts.items(),
        ("outcome", "result"),
    )
    histogram = HistogramMetricFamily(
        "mme_invocation_duration_seconds",
        "How long invocations took, from the endpoint's accepting them to their answer.",
        labels=("outcome",),
    )
    for outcome, seen in statistics.histograms.items():
        buckets = list(zip(BUCKETS, map(float, accumulate(seen.counts)), strict=True))
        histogram.add_metric((outcome,), buckets, seen.seconds)
    yield histogram
    yield counter(
        "mme_invocation_stage_seconds",
        "Where the time of answered invocations went: fetch (until the artifact was on this disk),"
        " queue (until a worker had it), load (until the model was in memory), model.",
        (((stage,), sources.observed.spent.stages[stage]) for stage in STAGES),
        ("stage",),
    )
    workers = sources.state().workers
    text = "Invocations that have come and are not answered."
    yield gauge("mme_invocations_in_flight", text, workers.in_flight)
    text = "Invocations in flight that no worker has yet."
    yield gauge("mme_invocations_waiting", text, workers.waiting)
    sizes = workers.batches
    buckets = zip((*map(str, SIZES), "+Inf"), map(float, accumulate(sizes.counts)), strict=True)
    yield HistogramMetricFamily(
        "mme_batch_requests",
        "How many requests went to a worker at once, of models that can compute several.",
        buckets=list(buckets),
        sum_value=float(sizes.requests),
    )


def _http(sources: Sources) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "mme_http_requests",
        "HTTP requests by the form of their path and the status of their answer; 499: the client"
        " did not wait for it.",
        labels=("method", "route", "status"),
    )
    durations = SummaryMetricFamily(
        "mme_http_request_duration_seconds",
        "How long HTTP requests took, from their head to the end of their answer.",
        labels=("method", "route"),
    )
    taken: dict[tuple[str, str], tuple[int, float]] = {}
    for each in sources.http.counts():
        route = (each.method, each.form)
        requests.add_metric((*route, str(each.status)), float(each.count))
        count, seconds = taken.get(route, (0, 0.0))
        taken[route] = (count + each.count, seconds + each.seconds)
    for route, (count, seconds) in taken.items():
        durations.add_metric(route, count, seconds)
    yield from (requests, durations)


def _happened(sources: Sources) -> Iterator[Metric]:
    observed = sources.observed
    counts = observed.events.counts
    yield counter(
        "mme_events",
        "What has happened, by kind; the last ones are at /events.",
        (((kind,), counts[kind]) for kind in KINDS),
        ("kind",),
    )
    text = "Models that left memory for others, or because there was too little."
    yield total("mme_evictions", text, counts["evicted"])
    text = "What these had taken of their own."
    yield total("mme_evicted_bytes", text, observed.spent.evicted_bytes)
    text = "Artifacts that could not be brought in, new versions of served ones among them."
    failures = counts["load_failed"] + counts["update_failed"]
    yield total("mme_load_failures", text, failures)
    yield total("mme_worker_deaths", "Workers that ended untold.", counts["worker_died"])
    spent = observed.spent.whole()
    yield _summary("mme_load_duration_seconds", "Loads into memory.", spent["loading"])
    yield _summary("mme_unload_duration_seconds", "Models' leaving memory.", spent["unloading"])
    text = "Artifacts' coming to this disk, admission included."
    yield _summary("mme_download_duration_seconds", text, spent["downloading"])


def _room(sources: Sources) -> Iterator[Metric]:
    state = sources.state()
    yield gauge("mme_memory_used_bytes", "Memory in use.", state.memory.used)
    yield gauge("mme_memory_limit_bytes", "Memory there is.", state.memory.limit)
    text = "Above it idle models leave."
    yield gauge("mme_memory_high_bytes", text, state.high_bytes)
    yield gauge("mme_memory_low_bytes", "Below it that stops.", state.low_bytes)
    text = "What models in memory take of their own, mapped files aside."
    yield gauge("mme_memory_models_bytes", text, state.models_bytes)
    yield gauge("mme_tasks_used", "Processes and threads.", state.tasks.used)
    yield gauge("mme_tasks_limit", "Most there may be.", state.tasks.limit)
    yield gauge("mme_tasks_high", "Above it idle models leave.", state.most_tasks)
    yield gauge("mme_disk_used_bytes", "Artifacts on this disk.", state.disk_bytes)
    if state.disk_limit_bytes is not None:
        text = "What they may take (MME_CACHE_LIMIT_BYTES)."
        yield gauge("mme_disk_limit_bytes", text, state.disk_limit_bytes)
    if sources.bodies is not None:
        held, limit = sources.bodies()
        text = "Bodies of requests and answers under way."
        yield gauge("mme_bodies_held_bytes", text, held)
        text = "What they may hold together (MME_MAX_BODIES_BYTES)."
        yield gauge("mme_bodies_limit_bytes", text, limit)
    workers = state.workers
    yield labelled(
        "mme_workers",
        "Workers: pool (serve any model), own (of one model each).",
        {"pool": workers.pool, "own": workers.own},
        "kind",
    )
    yield gauge("mme_pool_least", "Workers the pool has at least.", workers.pool_least)
    yield gauge("mme_pool_most", "Workers the pool has at most.", workers.pool_most)
    yield gauge("mme_workers_busy", "Workers that compute an answer.", workers.busy)
    yield gauge("mme_workers_resting", "1 while workers rest, else 0.", workers.is_resting)
    yield labelled(
        "mme_models",
        "Models: ready (in memory), on_disk (admitted, those in memory included), downloading.",
        {"ready": state.resident, "on_disk": state.on_disk, "downloading": state.downloading},
        "state",
    )
    yield gauge("mme_models_pinned", "Models in memory that stay there.", state.pinned)
    yield gauge("mme_models_failed", "Models whose last load or use failed.", state.failed)


def _asynchronous(sources: Sources) -> Iterator[Metric]:
    if sources.backlog is None:
        return
    backlog = sources.backlog()
    text = "Asynchronous requests that wait."
    yield gauge("mme_async_waiting", text, backlog.waiting)
    text = "Asynchronous requests that are executed."
    yield gauge("mme_async_running", text, backlog.running)
    yield counter(
        "mme_async_results",
        "What came of asynchronous requests, under CloudWatch's names.",
        (((name,), count) for name, count in backlog.counts.items()),
        ("name",),
    )


def _pipelines(sources: Sources) -> Iterator[Metric]:
    if not sources.steps:
        return
    family = SummaryMetricFamily(
        "mme_pipeline_step_duration_seconds",
        "How long steps of pipelines (MME_PIPELINES) took, those that failed too.",
        labels=("pipeline", "step"),
    )
    for step, durations in sources.steps.items():
        family.add_metric(step, durations.count, durations.total_s)
    yield family


def gauge(name: str, text: str, value: float) -> Metric:
    """A number that goes up and down."""
    return GaugeMetricFamily(name, text, float(value))


def total(name: str, text: str, value: float) -> Metric:
    """A number that only grows; `_total` is added to its name."""
    return CounterMetricFamily(name, text, float(value))


def labelled(name: str, text: str, values: Mapping[str, float], label: str) -> Metric:
    """A gauge for each value of a label."""
    family = GaugeMetricFamily(name, text, labels=(label,))
    for value, number in values.items():
        family.add_metric((value,), float(number))
    return family


def counter(
    name: str, text: str, values: Iterable[tuple[tuple[str, ...], float]], labels: tuple[str, ...]
) -> Metric:
    """A count for each combination of labels' values."""
    family = CounterMetricFamily(name, text, labels=labels)
    for labelled_by, value in values:
        family.add_metric(labelled_by, float(value))
    return family


def _summary(name: str, text: str, durations: Durations) -> Metric:
    return SummaryMetricFamily(name, text, durations.count, durations.total_s)
