"""What asynchronous inference counts, under the names CloudWatch has for it.

Source: SageMaker's metrics of asynchronous endpoints, with the guide's spelling of
`InvocationsProcesssed`; latencies of S3 in microseconds, times in the queue in milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mme.core.durations import Durations

if TYPE_CHECKING:
    from mme.jobs.asynchronous.queue import Depth

COUNTS = (
    "RequestDownloadFailures",
    "ResponseUploadFailures",
    "NotificationFailures",
    "ExpiredRequests",
    "InvocationFailures",
    "InvocationsProcesssed",
)
UNITS = {
    "RequestDownloadLatency": "Microseconds",
    "ResponseUploadLatency": "Microseconds",
    "TimeInBacklog": "Milliseconds",
    "TotalProcessingTime": "Milliseconds",
}
MOST_VARIANTS = 1000
"""Where any name is answered, names may come without end: those used last are known."""
PER_SECOND = {"Microseconds": 1_000_000, "Milliseconds": 1_000}


@dataclass(slots=True)
class VariantMetrics:
    """Of one variant of one endpoint, since the start."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    durations: dict[str, Durations] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    """Of all variants."""

    def count(self, name: str) -> None:
        """One more of `COUNTS`."""
        self.counts[name] += 1
        self.totals[name] += 1

    def took(self, name: str, seconds: float) -> None:
        """A duration of `UNITS`."""
        self.durations.setdefault(name, Durations()).add(seconds)


class Metrics:
    """All of them."""

    def __init__(self) -> None:
        self._variants: dict[tuple[str, str], VariantMetrics] = {}
        self.totals = dict.fromkeys(COUNTS, 0)
        """Of all variants, those that are not known any more included."""

    def of(self, endpoint: str, variant: str) -> VariantMetrics:
        """Those of a variant."""
        known = self._variants.pop((endpoint, variant), None) or VariantMetrics(totals=self.totals)
        self._variants[endpoint, variant] = known
        if len(self._variants) > MOST_VARIANTS:
            del self._variants[next(iter(self._variants))]
        return known

    def data(self, endpoint: str, depth: Depth, running: int, age_s: float) -> list[dict[str, Any]]:
        """An endpoint's, as PutMetricData takes them. The backlog holds what runs, too.

        How many instances share a queue with others is not known, nor then what each has of it.
        """
        dimensions = [{"Name": "EndpointName", "Value": endpoint}]
        backlog = depth.waiting + max(running, depth.taken or 0)
        told = [
            _datum("ApproximateBacklogSize", dimensions, "Count", backlog),
            _datum("ApproximateAgeOfOldestRequest", dimensions, "Seconds", round(age_s, 3)),
            _datum("HasBacklogWithoutCapacity", dimensions, "None", 0),
        ]
        if depth.taken is None:
            name = "ApproximateBacklogSizePerInstance"
            told.insert(1, _datum(name, dimensions, "Count", backlog))
        for (name, variant), metrics in self._variants.items():
            if name != endpoint:
                continue
            both = [*dimensions, {"Name": "VariantName", "Value": variant}]
            told += [_datum(name, both, "Count", value) for name, value in metrics.counts.items()]
            told += [_statistics(name, both, took) for name, took in metrics.durations.items()]
        return told


def _datum(name: str, dimensions: list[dict[str, str]], unit: str, value: float) -> dict[str, Any]:
    return {"MetricName": name, "Dimensions": dimensions, "Unit": unit, "Value": value}


def _statistics(name: str, dimensions: list[dict[str, str]], took: Durations) -> dict[str, Any]:
    per_s = PER_SECOND[UNITS[name]]
    return {
        "MetricName": name,
        "Dimensions": dimensions,
        "Unit": UNITS[name],
        "StatisticValues": {
            "SampleCount": took.count,
            "Sum": round(took.total_s * per_s, 3),
            "Minimum": round(took.least_s * per_s, 3),
            "Maximum": round(took.most_s * per_s, 3),
        },
    }
