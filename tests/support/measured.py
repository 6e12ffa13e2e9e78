"""What metrics are read from, without an endpoint: real counts, and a state as a test says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser

from mme.core.answer import Answer
from mme.core.durations import Durations
from mme.core.timing import Timing
from mme.memory.readings import Reading
from mme.metrics.exposition import Exposition
from mme.metrics.sources import Backlog, Sources
from mme.residency.observed import Observed
from mme.residency.status import EndpointState, Share
from mme.workers.batches import BatchSizes
from mme.workers.counts import WorkerCounts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mme.core.statistics import Outcome

MIB = 1024 * 1024
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@dataclass
class FakeState:
    """What the endpoint is said to be like now."""

    missing: str = ""
    shares: dict[str, Share] = field(default_factory=dict)
    disk_limit_bytes: int | None = 100 * MIB
    batches: BatchSizes = field(default_factory=BatchSizes)

    def now(self) -> EndpointState:
        """As `mme.residency.status.States` has it."""
        shares = sorted(self.shares.values(), key=lambda share: -share.own_bytes)
        return EndpointState(
            missing=self.missing,
            memory=Reading(1000 * MIB, 250 * MIB),
            high_bytes=850 * MIB,
            low_bytes=750 * MIB,
            models_bytes=sum(share.own_bytes for share in shares),
            tasks=Reading(1024, 60),
            most_tasks=973,
            on_disk=7,
            disk_bytes=25 * MIB,
            disk_limit_bytes=self.disk_limit_bytes,
            resident=len(shares),
            downloading=1,
            pinned=0,
            failed=2,
            workers=WorkerCounts(
                pool=2,
                own=1,
                busy=1,
                is_resting=False,
                in_flight=4,
                waiting=3,
                pool_least=2,
                pool_most=6,
                batches=self.batches,
            ),
            top=shares[:20],
            shares=self.shares,
        )


def sources_of(state: FakeState, mode: str = "standalone endpoint", **more: object) -> Sources:
    """Sources whose counts are all 0."""
    given: dict[str, object] = {
        "store_error": lambda: "",
        "bodies": lambda: (10, 100),
        "backlog": lambda: Backlog(3, 2, {"InvocationFailures": 1}),
        "steps": {("p", "clean"): Durations(2, 0.5), ("p", "rank"): Durations()},
        **more,
    }
    return Sources(Observed(), state.now, mode, "1.2.3", **given)  # type: ignore[arg-type]


def answered(
    observed: Observed,
    target: str,
    outcome: Outcome = "warm",
    status: int = 200,
    seconds: float = 0.01,
    **timing: float,
) -> None:
    """Have an invocation answered."""
    cold, is_first = outcome != "warm", outcome == "first"
    answer = Answer(status, {}, b"", cold, target, "", is_first, Timing(**timing))
    observed.answered(target, answer, seconds)


@dataclass(frozen=True, slots=True)
class Scrape:
    """What a collector made of an answer."""

    values: Mapping[tuple[str, frozenset[tuple[str, str]]], float]
    types: Mapping[str, str]

    def __call__(self, name: str, /, **labels: str) -> float:
        """The value of a series. Raises KeyError."""
        return self.values[name, frozenset(labels.items())]

    def labels_of(self, name: str, label: str) -> list[str]:
        """The values of a label of a metric, in the order they came."""
        found = [dict(labels).get(label) for (known, labels) in self.values if known == name]
        return [each for each in found if each is not None]

    @property
    def names(self) -> set[str]:
        """The names of all series."""
        return {name for name, _ in self.values}


def scraped(source: Exposition | bytes | str, accept: str = "") -> Scrape:
    """Read metrics as a collector does; what is no valid answer fails."""
    if isinstance(source, Exposition):
        source, _ = source.text(accept)
    text = source.decode() if isinstance(source, bytes) else source
    chosen = openmetrics_parser if accept else parser
    families = list(chosen.text_string_to_metric_families(text))
    values = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }
    samples = sum(len(family.samples) for family in families)
    assert len(values) == samples, "a series is there twice"
    return Scrape(values, {family.name: family.type for family in families})
