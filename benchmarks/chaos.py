"""What callers notice while processes of the endpoint die, one kind of them or all.

A fault is excused where its request was under way at a blow, since what a dead process computed is
lost. Nothing else may fail, no answer may be wrong, none may take long, and after the end nothing
may be left: no process, no file. The gateway must not grow with the number of deaths.
"""

from __future__ import annotations

import contextlib
import re
import tarfile
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.chaos_blows import PERIODS_S, Blows
from benchmarks.chaos_callers import Caller, Callers, Request, Site
from benchmarks.footprint import KIB, MIB
from benchmarks.limits import bounded
from benchmarks.peer_servers.processes import free_ports
from benchmarks.share import of
from benchmarks.table import NotPossible, Row
from benchmarks.workload import FAMILIES, TEXTS, fill_store
from mme.core.settings import PROJECT_ROOT
from tests.support.endpoint import processes_with, running_endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.limits import Bounds
    from tests.support.endpoint import Endpoint

DURATION_S, LEAST_S = 30, 8
MODELS, CALLERS = 60, 4
GRACE_S = 0.1
"""A process takes a while to die, and its death to be noticed."""
LONGEST_S, LONGEST_MMS_S = 3.0, 6.0
FLAT_BYTES = 2 * MIB
"""By how much a gateway may differ at the end from the middle of a run."""
GONE_S = 3.0
MEMORY_BYTES, TASKS = 512 * MIB, 128


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is hit, and how the endpoint runs."""

    name: str
    kinds: Sequence[str] = tuple(PERIODS_S)
    every_s: float = 1.0
    stops: bool = False
    is_narrow: bool = False
    is_container: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def longest_s(self) -> float:
        """How long a request may take."""
        return LONGEST_MMS_S if "mms" in self.kinds else LONGEST_S


SCENARIOS = (
    *(
        Scenario(f"only {kind}: one dies every {period_s:g} s", (kind,), period_s)
        for kind, period_s in PERIODS_S.items()
    ),
    Scenario("one of any kind dies every second"),
    Scenario("one of any kind is stopped for half a second", stops=True),
    Scenario("any kind, 512 MiB and 128 tasks", is_narrow=True),
    Scenario(
        "any kind, a process for each model, 512 MiB and 128 tasks",
        is_narrow=True,
        settings={"MME_ISOLATION": "model"},
    ),
    Scenario("multi-model container, any kind", is_container=True),
    Scenario(
        "multi-model container, any kind, 512 MiB and 128 tasks",
        is_narrow=True,
        is_container=True,
    ),
)


@dataclass
class Outcome:
    """What became of a run."""

    requests: list[Request]
    blows: Blows
    middle_bytes: int
    end_bytes: int
    leftovers: list[str]
    kills: int

    def unexcused(self) -> list[str]:
        """Faults of requests that no blow can have hit."""
        return [
            each.fault
            for each in self.requests
            if each.fault
            and not each.is_wrong
            and not any(each.began_s - GRACE_S <= at_s <= each.ended_s for at_s in self.blows.at_s)
        ]

    def wrong(self) -> list[str]:
        """Answers that were not right."""
        return [each.fault for each in self.requests if each.is_wrong]

    def longest_s(self) -> float:
        """Of all requests, failed ones too."""
        return max(each.ended_s - each.began_s for each in self.requests)


def measure() -> list[Row]:
    """One run after the other."""
    rows = []
    for scenario in SCENARIOS:
        try:
            outcome = run(scenario, of(DURATION_S, LEAST_S))
        except NotPossible as error:
            rows.append(Row(scenario.name, "-", f"not measured: {error}"))
            continue
        rows.append(_row(scenario, outcome))
        print(rows[-1].cells, flush=True)
    return rows


def _row(scenario: Scenario, outcome: Outcome) -> Row:
    unexcused, wrong = outcome.unexcused(), outcome.wrong()
    faults = sum(bool(each.fault) for each in outcome.requests)
    grown_bytes = outcome.end_bytes - outcome.middle_bytes
    slow = [
        f"{each.ended_s - each.began_s:.1f} s: {each.fault or 'right'}"
        for each in outcome.requests
        if each.ended_s - each.began_s > scenario.longest_s
    ]
    for what in (*unexcused[:3], *wrong[:3], *outcome.leftovers[:3], *slow[:3]):
        print(f"{scenario.name}: {what}", flush=True)
    return Row(
        scenario.name,
        "-",
        f"{sum(outcome.blows.by_kind.values())} blows, {len(outcome.requests):,} requests,"
        f" {faults} failed of which {len(unexcused)} were not hit, {len(wrong)} wrong,"
        f" longest {outcome.longest_s():.1f} s, {len(outcome.leftovers)} left over,"
        f" gateway {grown_bytes / MIB:+.1f} MiB, {outcome.kills} killed by the kernel",
        f"none wrong, none but those hit fail, ≤ {scenario.longest_s:g} s, nothing left",
        met=not unexcused
        and not wrong
        and not outcome.leftovers
        and outcome.longest_s() <= scenario.longest_s
        and grown_bytes <= FLAT_BYTES
        and outcome.kills == 0,
    )


def run(scenario: Scenario, duration_s: float) -> Outcome:
    """Start an endpoint, have it asked and hit, end it, look what is left."""
    with contextlib.ExitStack() as stack:
        bounds = stack.enter_context(bounded(MEMORY_BYTES, TASKS)) if scenario.is_narrow else None
        endpoint, site = stack.enter_context(_started(scenario, bounds))
        _warm(site)
        pid = endpoint.process.pid
        with Callers(site, CALLERS) as callers:
            with Blows(pid, scenario.kinds, scenario.every_s, scenario.stops) as blows:
                time.sleep(duration_s / 2)
                middle_bytes = _anonymous_bytes(pid)
                time.sleep(duration_s / 2)
            end_bytes = _anonymous_bytes(pid)
        endpoint.stop()
        left = _leftovers(endpoint)
        kills = bounds.kills if bounds else 0
        return Outcome(callers.requests, blows, middle_bytes, end_bytes, left, kills)


@contextlib.contextmanager
def _started(scenario: Scenario, bounds: Bounds | None) -> Iterator[tuple[Endpoint, Site]]:
    enter = bounds.enter if bounds else None
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        scratch = Path(folder)
        models = fill_store(scratch / "store", MODELS)
        site = Site("", models, scratch / "models" if scenario.is_container else None)
        settings = dict(scenario.settings)
        if site.models_dir is not None:
            (port,) = free_ports(1)
            settings |= {
                "SAGEMAKER_MULTI_MODEL": "true",
                "SAGEMAKER_BIND_TO_PORT": str(port),
                "MME_MODELS_DIR": str(site.models_dir),
            }
            _unpack(site)
        with running_endpoint(str(scratch / "store"), scratch, settings, enter) as endpoint:
            yield endpoint, Site(endpoint.url, models, site.models_dir)


def _unpack(site: Site) -> None:
    """Have all models where a platform puts them."""
    for model in site.models:
        folder = Path(str(site.models_dir), site.name(model), "model")
        folder.mkdir(parents=True)
        with tarfile.open(PROJECT_ROOT / "artifacts" / f"{model.family}.tar.gz") as archive:
            archive.extractall(folder, filter="data")


def _warm(site: Site) -> None:
    """Right answers of every family, and to every text, before the first blow."""
    caller = Caller(site)
    for model in site.models[: len(FAMILIES)]:
        for kind, text in TEXTS[model.family]:
            request = caller.ask(model, kind, text)
            assert not request.fault, request.fault
    caller.close()


def _anonymous_bytes(pid: int) -> int:
    found = re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) * KIB if found else 0


def _leftovers(endpoint: Endpoint) -> list[str]:
    """What is there although the endpoint has ended; processes have a moment to go."""
    temp = endpoint.run_dir_parent
    deadline_s = time.monotonic() + GONE_S
    while (found := processes_with(str(temp))) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    return found + [str(path) for path in temp.iterdir()]
