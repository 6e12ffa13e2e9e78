"""The metrics SageMaker has of endpoints in CloudWatch, by their names and units.

Source: SageMaker's guide, "Monitor Amazon SageMaker with Amazon CloudWatch". One value, or one set
of statistics, for each metric of an endpoint as a whole, since the start or since the last time;
how they reach CloudWatch is in `emf.py` and `mme.gateway.metrics`. Those of asynchronous endpoints
are `mme.jobs.asynchronous`'s.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mme.core.durations import Durations
    from mme.core.spent import Work
    from mme.metrics.sources import Sources

CALLS, INSTANCES = "AWS/SageMaker", "/aws/sagemaker/Endpoints"
"""Namespaces: of what is counted by call, and of what is measured of an instance."""
NAMESPACES = (CALLS, INSTANCES)
VARIANT = "AllTraffic"
MICROSECONDS, NONE, PERCENT = "Microseconds", "None", "Percent"
PER_S = 1_000_000
MODEL_ERRORS = ("4xx", "5xx", "ModelFailed", "ModelTimedOut", "LoadFailed")
"""Results of invocations that are the model's doing."""


@dataclass(frozen=True, slots=True)
class Set:
    """A set of statistics."""

    count: int
    total: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Datum:
    """One metric."""

    namespace: str
    name: str
    unit: str
    value: float | Set


class CloudWatch:
    """Reads them. The event loop owns it."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._told: Counter[str] = Counter()

    def since_start(self) -> list[Datum]:
        """All since the start."""
        return self._data(self._counts(), self._sources.observed.spent.whole())

    def since_last(self) -> list[Datum]:
        """All since this was last called; what was not counted or measured meanwhile is left out.

        One caller may use it: what it is told no other one is.
        """
        counts = self._counts()
        before, self._told = self._told, Counter(counts)
        new = {name: count - before[name] for name, count in counts.items()}
        return self._data(new, self._sources.observed.spent.take())

    def put_metric_data(self, namespace: str) -> dict[str, Any]:
        """Those of a namespace since the start, as PutMetricData takes them."""
        dimensions = dimensions_of(self._sources)
        told = [{"Name": name, "Value": value} for name, value in dimensions.items()]
        data = [each for each in self.since_start() if each.namespace == namespace]
        return {"Namespace": namespace, "MetricData": [_in_api(each, told) for each in data]}

    def _counts(self) -> dict[str, int]:
        """What only grows."""
        answered = self._sources.http.invocations()
        results = self._sources.observed.statistics.results
        by_result: Counter[str] = Counter()
        for (_, result), count in results.items():
            by_result[result] += count
        return {
            "Invocations": answered.total(),
            "Invocation4XXErrors": answered[4],
            "Invocation5XXErrors": answered[5],
            "InvocationModelErrors": sum(by_result[result] for result in MODEL_ERRORS),
            "asked": results.total(),
            "hits": sum(n for (outcome, _), n in results.items() if outcome == "warm"),
        }

    def _data(self, counts: Mapping[str, int], spent: Mapping[Work, Durations]) -> list[Datum]:
        source = self._sources
        loading: Work = "loading" if source.loaded_models is None else "platform_loading"
        hits, asked = counts["hits"], counts["asked"]
        data = [
            Datum(CALLS, name, NONE, float(count))
            for name, count in counts.items()
            if name.startswith("Invocation")
        ]
        data += _timed("ModelLatency", spent["latency"])
        data += _timed("OverheadLatency", spent["overhead"])
        data += _timed("ModelLoadingWaitTime", spent["wait"])
        data += _timed("ModelUnloadingTime", spent["unloading"])
        data += _timed("ModelDownloadingTime", spent["downloading"])
        data += _timed("ModelLoadingTime", spent[loading])
        if asked:
            least, most = float(hits == asked), float(hits > 0)
            data.append(Datum(CALLS, "ModelCacheHit", NONE, Set(asked, hits, least, most)))
        return data + self._measured()

    def _measured(self) -> list[Datum]:
        """What is measured of the instance now."""
        source, state = self._sources, self._sources.state()
        loaded = state.resident if source.loaded_models is None else source.loaded_models()
        data = [Datum(INSTANCES, "LoadedModelCount", NONE, float(loaded))]
        data.append(_share("MemoryUtilization", state.memory.used, state.memory.limit))
        if state.disk_limit_bytes is not None:
            data.append(_share("DiskUtilization", state.disk_bytes, state.disk_limit_bytes))
        return data


def dimensions_of(sources: Sources) -> dict[str, str]:
    """SageMaker's dimensions, where the endpoint has one name that is known; else none."""
    if len(sources.endpoint_names) != 1:
        return {}
    return {"EndpointName": sources.endpoint_names[0], "VariantName": VARIANT}


def _timed(name: str, durations: Durations) -> list[Datum]:
    if not durations.count:
        return []
    values = (durations.total_s, durations.least_s, durations.most_s)
    total, least, most = (round(value * PER_S, 1) for value in values)
    return [Datum(CALLS, name, MICROSECONDS, Set(durations.count, total, least, most))]


def _share(name: str, used: float, limit: float) -> Datum:
    return Datum(INSTANCES, name, PERCENT, round(100 * used / max(1, limit), 3))


def _in_api(datum: Datum, dimensions: list[dict[str, str]]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "MetricName": datum.name,
        "Dimensions": dimensions,
        "Unit": datum.unit,
    }
    if isinstance(datum.value, Set):
        told["StatisticValues"] = {
            "SampleCount": datum.value.count,
            "Sum": datum.value.total,
            "Minimum": datum.value.least,
            "Maximum": datum.value.most,
        }
    else:
        told["Value"] = datum.value
    return told
