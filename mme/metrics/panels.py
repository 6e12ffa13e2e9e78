"""What the Grafana dashboard shows, in the order of an operator's questions.

Is it well, how is it used and how fast is it, how much room is left, which models, which workers.
How panels become a dashboard is in `dashboard.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

CHOSEN = 'instance=~"$instance"'
"""The endpoints that are chosen at the top of the dashboard; stands where a query has `@`."""
RATE = "[$__rate_interval]"
"""Stands where a query has `~`."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query, short: `@` and `~` stand for the choice of endpoints and the span of a rate."""

    text: str
    legend: str = ""

    @property
    def expression(self) -> str:
        """As Prometheus takes it."""
        return self.text.replace("@", CHOSEN).replace("~", RATE)


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel; `unit` is Grafana's name of it."""

    title: str
    queries: Sequence[Query]
    unit: str = "short"
    kind: Literal["timeseries", "stat", "bargauge"] = "timeseries"
    text: str = ""
    """What its reader may not know."""
    red_below: float | None = None
    red_from: float | None = None
    is_stacked: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading."""

    title: str
    panels: Sequence[Panel]


def _one(text: str, legend: str = "") -> tuple[Query]:
    return (Query(text, legend),)


def _quantile(share: float, by: str = "") -> str:
    of = f"le, {by}" if by else "le"
    buckets = "rate(mme_invocation_duration_seconds_bucket{@}~)"
    return f"histogram_quantile({share}, sum by ({of}) ({buckets}))"


def _mean(name: str) -> str:
    return f"sum(rate({name}_sum{{@}}~)) / sum(rate({name}_count{{@}}~))"


HEALTH = Row(
    "Is it well?",
    (
        Panel("Ready", _one("min(mme_ready{@})"), kind="stat", red_below=1),
        Panel("Store answers", _one("min(mme_store_up{@})"), kind="stat", red_below=1),
        Panel("Requests", _one("sum(rate(mme_invocations_total{@}~))"), "reqps", "stat"),
        Panel(
            "Answered with success",
            _one(
                'sum(rate(mme_invocations_total{@,result="2xx"}~))'
                " / sum(rate(mme_invocations_total{@}~))"
            ),
            "percentunit",
            "stat",
            red_below=0.99,
        ),
        Panel("p99", _one(_quantile(0.99)), "s", "stat"),
        Panel(
            "Workers that died, last hour",
            _one("sum(increase(mme_worker_deaths_total{@}[1h]))"),
            kind="stat",
            red_from=1,
        ),
    ),
)
USE = Row(
    "How is it used, how fast is it?",
    (
        Panel(
            "Invocations by how warm the model was",
            _one("sum by (outcome) (rate(mme_invocations_total{@}~))", "{{outcome}}"),
            "reqps",
            text="warm: in memory; cold: on this disk only; first: not even there.",
            is_stacked=True,
        ),
        Panel(
            "Invocations without success, by what came of them",
            _one('sum by (result) (rate(mme_invocations_total{@,result!="2xx"}~))', "{{result}}"),
            "reqps",
            text="4xx and 5xx: the model's answer; else the kind of error there was instead.",
        ),
        Panel(
            "Latency",
            tuple(Query(_quantile(share), f"p{share * 100:g}") for share in (0.5, 0.95, 0.99)),
            "s",
        ),
        Panel(
            "p99 by how warm the model was", _one(_quantile(0.99, "outcome"), "{{outcome}}"), "s"
        ),
        Panel(
            "Where the time of an invocation goes",
            _one(
                "sum by (stage) (rate(mme_invocation_stage_seconds_total{@}~))"
                " / on () group_left sum(rate(mme_invocation_duration_seconds_count{@}~))",
                "{{stage}}",
            ),
            "s",
            is_stacked=True,
        ),
        Panel(
            "Under way",
            (
                Query("sum(mme_invocations_in_flight{@})", "in flight"),
                Query("sum(mme_invocations_waiting{@})", "waiting for a worker"),
            ),
        ),
    ),
)
ROOM = Row(
    "How much room is left?",
    (
        Panel(
            "Memory",
            (
                Query("mme_memory_used_bytes{@}", "used"),
                Query("mme_memory_models_bytes{@}", "models' own"),
                Query("mme_memory_low_bytes{@}", "low"),
                Query("mme_memory_high_bytes{@}", "high"),
                Query("mme_memory_limit_bytes{@}", "limit"),
            ),
            "bytes",
            text="Above high idle models leave, until less than low is used.",
        ),
        Panel(
            "Processes and threads",
            (
                Query("mme_tasks_used{@}", "used"),
                Query("mme_tasks_high{@}", "high"),
                Query("mme_tasks_limit{@}", "limit"),
            ),
        ),
        Panel(
            "Bodies of requests under way",
            (
                Query("mme_bodies_held_bytes{@}", "held"),
                Query("mme_bodies_limit_bytes{@}", "limit"),
            ),
            "bytes",
        ),
        Panel("Artifacts on disk", _one("mme_disk_used_bytes{@}", "used"), "bytes"),
    ),
)
MODELS = Row(
    "Which models?",
    (
        Panel("Models", _one("mme_models{@}", "{{state}}")),
        Panel(
            "Coming and going",
            (
                Query("sum(rate(mme_load_duration_seconds_count{@}~))", "loads"),
                Query("sum(rate(mme_evictions_total{@}~))", "evictions"),
                Query("sum(rate(mme_download_duration_seconds_count{@}~))", "downloads"),
                Query("sum(rate(mme_load_failures_total{@}~))", "failures"),
            ),
            "ops",
            text="As many evictions as loads: the models in use do not fit in memory together.",
        ),
        Panel(
            "What coming takes, on average",
            (
                Query(_mean("mme_load_duration_seconds"), "load"),
                Query(_mean("mme_download_duration_seconds"), "download and admission"),
            ),
            "s",
        ),
        Panel(
            "Hits",
            _one(
                'sum(rate(mme_invocations_total{@,outcome="warm"}~))'
                " / sum(rate(mme_invocations_total{@}~))"
            ),
            "percentunit",
            text="Invocations whose model was in memory.",
        ),
        Panel(
            "Who takes the memory",
            _one("topk(10, sum by (target_model) (mme_model_memory_bytes{@}))", "{{target_model}}"),
            "bytes",
            "bargauge",
        ),
        Panel(
            "Who is used",
            _one(
                "topk(10, sum by (target_model) (rate(mme_model_invocations_total{@}~)))",
                "{{target_model}}",
            ),
            "reqps",
            "bargauge",
        ),
        Panel(
            "Who is slow: p99 of the last invocations",
            _one(
                "topk(10, max by (target_model)"
                ' (mme_model_recent_latency_seconds{@,quantile="0.99"}))',
                "{{target_model}}",
            ),
            "s",
            "bargauge",
        ),
        Panel(
            "Who fails",
            _one(
                "topk(10, sum by (target_model) (rate(mme_model_errors_total{@}~)))",
                "{{target_model}}",
            ),
            "reqps",
            "bargauge",
        ),
    ),
)
INSIDE = Row(
    "What happens inside?",
    (
        Panel(
            "Workers",
            (
                Query("sum by (kind) (mme_workers{@})", "{{kind}}"),
                Query("sum(mme_workers_busy{@})", "busy"),
                Query("sum(mme_pool_most{@})", "pool, at most"),
            ),
        ),
        Panel(
            "Requests computed at once, on average",
            _one(_mean("mme_batch_requests")),
            text="Of models that gain by it; above 1 where requests wait for one model.",
        ),
        Panel(
            "Events",
            _one("sum by (kind) (rate(mme_events_total{@}~)) > 0", "{{kind}}"),
            "ops",
        ),
        Panel(
            "HTTP requests",
            _one(
                "sum by (route, status) (rate(mme_http_requests_total{@}~))", "{{route}} {{status}}"
            ),
            "reqps",
        ),
        Panel(
            "HTTP requests, on average",
            _one(
                "sum by (route) (rate(mme_http_request_duration_seconds_sum{@}~))"
                " / sum by (route) (rate(mme_http_request_duration_seconds_count{@}~))",
                "{{route}}",
            ),
            "s",
        ),
        Panel(
            "Asynchronous requests",
            (
                Query("sum(mme_async_waiting{@})", "waiting"),
                Query("sum(mme_async_running{@})", "running"),
            ),
        ),
        Panel(
            "What came of asynchronous requests",
            _one("sum by (name) (rate(mme_async_results_total{@}~))", "{{name}}"),
            "ops",
        ),
    ),
)
ROWS = (HEALTH, USE, ROOM, MODELS, INSIDE)
