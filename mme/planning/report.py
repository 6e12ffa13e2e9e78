"""A plan as JSON: for programs, and for the page and the picture that are drawn of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mme.planning.choosing import USABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mme.planning.choosing import Candidate, Tried
    from mme.planning.outcome import Histogram, Outcome
    from mme.planning.plan import Plan

LATENCY_SHARES = (0.01, 0.05, *(share / 20 for share in range(2, 20)), 0.97, 0.99, 0.995, 0.999)


def report_of(plan: Plan) -> dict[str, Any]:
    """All of a plan that is told."""
    asked, machine = plan.asked, plan.question.machine
    report: dict[str, Any] = {
        "trace": {
            "requests": asked.requests,
            "models": asked.models,
            "duration_s": asked.duration_s,
            "requests_per_s": asked.per_second,
            "top_tenth_share": asked.top_share,
            "least_busy_cores": asked.busy_cores,
        },
        "machine": {
            "memory_bytes": machine.memory_bytes,
            "cores": machine.cores,
            "policy": machine.policy,
            "mode": machine.mode,
        },
        "outcome": {**figures_of(plan.outcome), **_more_of(plan.outcome)},
        "is_met": plan.is_met,
        "compared_requests": plan.compared,
        "by_memory": [
            {"memory_bytes": memory_bytes, **figures_of(outcome)}
            for memory_bytes, outcome in plan.curve
        ],
    }
    if plan.choice is not None:
        report["choice"] = {
            "chosen": plan.choice.chosen and _tried(plan.choice.chosen),
            "tried": [_tried(each) for each in plan.choice.tried],
            "ruled_out": plan.choice.untried,
            "usable_memory": USABLE,
        }
    return report


def figures_of(outcome: Outcome) -> dict[str, Any]:
    """The figures of a replay."""
    return {
        "requests": outcome.requests,
        "hit_ratio": outcome.hit_ratio,
        "cold_share": outcome.cold_share,
        "warm": outcome.warm, "cold": outcome.cold, "first": outcome.first,
        "refused": outcome.refused,
        "p50_ms": outcome.p50_s * 1000,
        "p99_ms": outcome.p99_s * 1000,
        "mean_ms": outcome.mean_s * 1000,
        "evictions": outcome.evictions + outcome.evicted_for_memory,
        "evicted_from_disk": outcome.evicted_from_disk,
        "peak_bytes": outcome.peak_bytes,
        "busy_cores": outcome.busy_cores,
        "utilization": outcome.utilization,
    }  # fmt: skip


def _more_of(outcome: Outcome) -> dict[str, Any]:
    return {
        "how": outcome.how,
        "notes": list(outcome.notes),
        "peak_workers": outcome.peak_workers,
        "latencies_ms": _quantiles(outcome.latencies),
        "timeline": [
            {
                "at_s": bucket.at_s,
                "requests": bucket.requests,
                "warm": bucket.warm, "cold": bucket.cold, "first": bucket.first,
                "refused": bucket.refused,
                "mean_ms": bucket.mean_s * 1000,
                "resident_bytes": bucket.resident_bytes,
            }
            for bucket in outcome.timeline
        ],
        "top": [
            {
                "target_model": each.name,
                "requests": each.requests,
                "warm": each.warm,
                "mean_ms": each.mean_s * 1000,
            }
            for each in outcome.top
        ],
    }  # fmt: skip


def _quantiles(latencies: Histogram) -> Sequence[tuple[float, float]]:
    """(share of the requests, milliseconds they do not exceed, to the width of a class)."""
    if not latencies.total:
        return []
    return [(share, latencies.quantile_s(share) * 1000) for share in LATENCY_SHARES]


def _tried(tried: Tried) -> dict[str, Any]:
    return {
        **_candidate(tried.candidate), "is_met": tried.is_met, **figures_of(tried.outcome)
    }  # fmt: skip


def _candidate(candidate: Candidate) -> dict[str, Any]:
    instance = candidate.instance
    return {
        "instance": instance.name, "count": candidate.count, "region": instance.region,
        "cores": instance.cores, "memory_bytes": instance.memory_bytes,
        "usd_per_month": candidate.month_usd, "prices_as_of": instance.as_of,
    }  # fmt: skip
