"""What Prometheus is told: valid in both formats, complete from the start, right in its counts."""

from __future__ import annotations

import pytest

from mme.core.errors import Busy, TargetNotFound
from mme.core.events import KINDS
from mme.core.timing import Timing
from mme.metrics.exposition import Exposition
from mme.residency.status import Share
from tests.support.measured import OPENMETRICS, FakeState, answered, scraped, sources_of


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_both_formats_are_valid_and_have_the_same_series(state, accept):
    sources = sources_of(state)
    state.shares["m"] = Share("m", 1024, 1)
    answered(sources.observed, "m")
    sources.http.ended("GET", "/models/{target...}", 200, 0.1)
    scrape = scraped(Exposition(sources, 10), accept)
    assert scrape("mme_invocations_total", outcome="warm", result="2xx") == 1
    assert scrape.types["mme_invocation_duration_seconds"] == "histogram"
    assert scrape.names == scraped(Exposition(sources, 10)).names


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text;version=1.0.0,*/*;q=0.1", "application/openmetrics-text"),
        ("application/openmetrics-text; version=none.of.these", "application/openmetrics-text"),
        ("application/openmetrics-text," * 10_000, "application/openmetrics-text"),
        ("\udcff;version=;;=,", "text/plain"),
    ],
)
def test_who_asks_says_in_which_format(state, accept, content_type):
    _, given = Exposition(sources_of(state), 10).text(accept)
    assert given.startswith(content_type)


def test_what_may_be_counted_is_there_at_zero_from_the_start(state):
    scrape = scraped(Exposition(sources_of(state), 10))
    assert set(scrape.labels_of("mme_events_total", "kind")) == set(KINDS)
    for outcome in ("warm", "cold", "first"):
        assert scrape("mme_invocations_total", outcome=outcome, result="2xx") == 0
        assert scrape("mme_invocation_duration_seconds_count", outcome=outcome) == 0


def test_latencies_are_counted_by_outcome_in_growing_buckets(state):
    sources = sources_of(state)
    for seconds in (0.0004, 0.003, 100.0):
        answered(sources.observed, "m", "cold", seconds=seconds)
    scrape = scraped(Exposition(sources, 10))

    def below(bound: str) -> float:
        return scrape("mme_invocation_duration_seconds_bucket", outcome="cold", le=bound)

    assert [below(bound) for bound in ("0.0005", "0.002", "0.004", "64.0", "+Inf")] == [
        1,
        1,
        2,
        2,
        3,
    ]
    assert scrape("mme_invocation_duration_seconds_sum", outcome="cold") == pytest.approx(100.0034)
    assert scrape("mme_invocation_duration_seconds_count", outcome="warm") == 0


def test_steps_of_pipelines_are_there_where_there_are_pipelines(state):
    scrape = scraped(Exposition(sources_of(state), 10))
    name = "mme_pipeline_step_duration_seconds"
    assert scrape(f"{name}_sum", pipeline="p", step="clean") == 0.5
    assert scrape(f"{name}_count", pipeline="p", step="clean") == 2
    assert scrape(f"{name}_count", pipeline="p", step="rank") == 0
    without = scraped(Exposition(sources_of(state, steps={}), 10))
    assert scrape.names - without.names == {f"{name}_sum", f"{name}_count"}


def test_how_many_requests_went_to_a_worker_at_once_is_a_histogram(state):
    scrape = scraped(Exposition(sources_of(state), 10))
    assert scrape("mme_batch_requests_count") == 0
    for size in (1, 3, 16):
        state.batches.note(size)
    scrape = scraped(Exposition(sources_of(state), 10))
    assert scrape("mme_batch_requests_count") == 3
    assert scrape("mme_batch_requests_sum") == 20
    assert scrape("mme_batch_requests_bucket", le="4") == 2


def test_errors_and_refusals_are_told_apart(state):
    sources = sources_of(state)
    answered(sources.observed, "m", status=500)
    sources.observed.failed("m", Busy("m", 3), 0.1, Timing(), was_here=True)
    sources.observed.failed("no", TargetNotFound("no", "s3://b/no"), 0.1, Timing(), was_here=False)
    scrape = scraped(Exposition(sources, 10))
    assert scrape("mme_invocations_total", outcome="warm", result="5xx") == 1
    assert scrape("mme_invocations_total", outcome="warm", result="Busy") == 1
    assert scrape("mme_invocations_total", outcome="first", result="TargetNotFound") == 1
    assert scrape("mme_model_errors_total", target_model="m") == 2
    assert "no" not in scrape.labels_of("mme_model_errors_total", "target_model")


def test_the_time_of_invocations_is_split_into_stages(state):
    sources = sources_of(state)
    answered(
        sources.observed, "m", "first", seconds=1.0,
        fetch_s=0.5, queue_s=0.1, load_s=0.2, model_s=0.15,
    )  # fmt: skip
    scrape = scraped(Exposition(sources, 10))
    for stage, seconds in {"fetch": 0.5, "queue": 0.1, "load": 0.2, "model": 0.15}.items():
        assert scrape("mme_invocation_stage_seconds_total", stage=stage) == pytest.approx(seconds)


def test_events_are_counted_with_what_they_took_and_freed(state):
    sources = sources_of(state)
    note = sources.observed.events.note
    note("loaded", "m", "", load_s=0.25)
    note("arrived", "m", "", fetch_s=2.0, archive_bytes=7)
    note("evicted", "m", "", freed_bytes=4096, unload_s=0.5)
    note("worker_died", "m", "")
    note("load_failed", "m", "")
    note("update_failed", "m", "")
    scrape = scraped(Exposition(sources, 10))
    assert scrape("mme_load_duration_seconds_count") == 1
    assert scrape("mme_load_duration_seconds_sum") == 0.25
    assert scrape("mme_download_duration_seconds_sum") == 2.0
    assert scrape("mme_unload_duration_seconds_sum") == 0.5
    assert scrape("mme_evictions_total") == scrape("mme_events_total", kind="evicted") == 1
    assert scrape("mme_evicted_bytes_total") == 4096
    assert scrape("mme_worker_deaths_total") == 1
    assert scrape("mme_load_failures_total") == 2


def test_room_and_limits_stand_beside_each_other(state):
    scrape = scraped(Exposition(sources_of(state), 10))
    used, limit = scrape("mme_memory_used_bytes"), scrape("mme_memory_limit_bytes")
    assert used < scrape("mme_memory_low_bytes") < scrape("mme_memory_high_bytes") < limit
    assert scrape("mme_tasks_used") < scrape("mme_tasks_high") < scrape("mme_tasks_limit")
    assert scrape("mme_disk_limit_bytes") > scrape("mme_disk_used_bytes")
    assert scrape("mme_bodies_held_bytes") < scrape("mme_bodies_limit_bytes")
    assert scrape("mme_pool_least") <= scrape("mme_workers", kind="pool") <= scrape("mme_pool_most")
    assert scrape("mme_models", state="on_disk") == 7
    assert scrape("mme_invocations_waiting") == 3


def test_what_there_is_not_has_no_series(state):
    state.disk_limit_bytes = None
    scrape = scraped(Exposition(sources_of(state, store_error=None, backlog=None), 10))
    assert not scrape.names & {"mme_disk_limit_bytes", "mme_store_up", "mme_async_waiting"}


def test_readiness_and_the_store_are_one_or_zero():
    state, wrong = FakeState(missing="no worker"), "it does not answer"
    scrape = scraped(Exposition(sources_of(state, store_error=lambda: wrong), 10))
    assert scrape("mme_ready") == scrape("mme_store_up") == 0
    scrape = scraped(Exposition(sources_of(FakeState()), 10))
    assert scrape("mme_ready") == scrape("mme_store_up") == 1


def test_asynchronous_requests_are_counted(state):
    scrape = scraped(Exposition(sources_of(state), 10))
    assert scrape("mme_async_waiting") == 3
    assert scrape("mme_async_running") == 2
    assert scrape("mme_async_results_total", name="InvocationFailures") == 1


def test_http_requests_are_counted_by_route_and_status(state):
    sources = sources_of(state)
    for status in (200, 200, 404):
        sources.http.ended("GET", "/models/{target...}", status, 0.5)
    sources.http.ended("BREW", "", 404, 0.1)
    sources.http.ended("STEEP", "", 404, 0.1)
    scrape = scraped(Exposition(sources, 10))
    route = {"method": "GET", "route": "/models/{target...}"}
    assert scrape("mme_http_requests_total", **route, status="200") == 2
    assert scrape("mme_http_requests_total", **route, status="404") == 1
    assert scrape("mme_http_request_duration_seconds_sum", **route) == 1.5
    assert scrape("mme_http_requests_total", method="", route="", status="404") == 2


@pytest.mark.hostile("paths and names")
@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", "m{}", "\udcff", "# HELP x\nmme_ready 0"])
@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_no_name_of_a_model_breaks_the_text(state, name, accept):
    sources = sources_of(state)
    answered(sources.observed, name)
    state.shares[name] = Share(name, 10, 0)
    scrape = scraped(Exposition(sources, 10), accept)
    assert scrape("mme_ready") == 1
    assert len(scrape.labels_of("mme_model_invocations_total", "target_model")) == 2


def test_memory_names_who_takes_most_though_nobody_uses_it(state):
    sources = sources_of(state)
    answered(sources.observed, "used")
    state.shares |= {"used": Share("used", 10, 1), "large": Share("large", 1000, 0)}
    state.shares |= {f"small-{n}": Share(f"small-{n}", 1, 0) for n in range(50)}
    scrape = scraped(Exposition(sources, 1))
    assert scrape("mme_model_memory_bytes", target_model="large") == 1000
    assert scrape("mme_model_memory_bytes", target_model="used") == 10
    assert scrape("mme_model_in_flight", target_model="used") == 1
    series = [key for key in scrape.values if key[0] == "mme_model_memory_bytes"]
    assert sum(scrape.values[key] for key in series) == scrape("mme_memory_models_bytes") == 1060
