"""Ten thousand models behind four containers and HAProxy: who has a model that is asked for.

Each container keeps a quarter of the models in memory, as four with room for all of them together.
The same requests, the n-th most wanted model 1/n as often as the first, go there by consistent
hashing and, to compare, at random. Then one container is lost, and it is counted how many models
another one answers for.
"""

from __future__ import annotations

import contextlib
import random
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from benchmarks.share import of
from benchmarks.table import NotPossible, Row
from benchmarks.traffic import drive
from benchmarks.workload import TARGET, exchanges, fill_store, zipf
from tests.support.endpoint import free_port, running_endpoint
from tests.support.haproxy import running_haproxy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from benchmarks.workload import Model
    from tests.support.endpoint import Endpoint
    from tests.support.haproxy import Balancer

COMPARED_WITH = "at random"
MODELS, CONTAINERS, REQUESTS, CONNECTIONS = 10_000, 4, 40_000, 4
LOOKED_AT = 400
"""Models whose container is asked for, of all."""
COUNTED = re.compile(r'^mme_invocations_total\{outcome="(\w+)",result="2xx"\} (\S+)$', re.MULTILINE)


def measure() -> list[Row]:
    """By consistent hashing, and at random."""
    count, sent = of(MODELS), of(REQUESTS)
    with tempfile.TemporaryDirectory(prefix="mme-bench-") as folder:
        models = fill_store(Path(folder) / "store", count, ("DocSim",))
        wanted = zipf(models, 1, sent)
        hashed, moved = _run(Path(folder), "hashed", models, wanted, "")
        random_, _ = _run(Path(folder), "random", models, wanted, "balance random(1)")
    return [
        Row(
            f"{count:,} models, {CONTAINERS} containers with a quarter of them each in memory,"
            f" {sent:,} requests: model in memory",
            f"{random_['warm']:.1%}", f"{hashed['warm']:.1%}", "more",
            hashed["warm"] > random_["warm"],
        ),
        Row(
            "the same: model on no disk yet, so that it was fetched and admitted",
            f"{random_['first']:.1%}", f"{hashed['first']:.1%}", "fewer",
            hashed["first"] < random_["first"],
        ),
        Row(
            "one of four is killed: models that another one answers for afterwards",
            "-", f"{moved:.1%}", "about 25 %", 0.15 < moved < 0.35,  # noqa: PLR2004 - the aim
        ),
    ]  # fmt: skip


def _run(
    folder: Path, name: str, models: list[Model], wanted: list[Model], how: str
) -> tuple[dict[str, float], float]:
    """Shares of the outcomes, and of the models that moved when one container was lost."""
    with contextlib.ExitStack() as stack:
        containers = {
            f"mme{number}": stack.enter_context(
                _container(folder / "store", folder / name / str(number), len(models))
            )
            for number in range(1, CONTAINERS + 1)
        }
        ports = {each: int(running.url.rsplit(":", 1)[1]) for each, running in containers.items()}
        balancer = stack.enter_context(running_haproxy(ports, how))
        for each in containers:
            balancer.wait_for(each, "UP")
        ready = {model.target: exchanges(balancer.url, model)[0] for model in models}
        samples = drive(
            balancer.url, [ready[model.target] for model in wanted],
            connections=CONNECTIONS, total=len(wanted),
        )  # fmt: skip
        if samples.failures:
            raise NotPossible(f"{len(samples.failures)} failed: {samples.failures[:2]}")
        shares = _shares(containers.values())
        if how:
            return shares, 0.0
        looked_at = random.Random(2).sample(models, min(LOOKED_AT, len(models)))  # noqa: S311
        before = _places(balancer, looked_at)
        containers["mme2"].process.kill()
        balancer.wait_for("mme2", "DOWN")
        after = _places(balancer, looked_at)
        return shares, sum(before[each] != after[each] for each in before) / len(before)


@contextlib.contextmanager
def _container(store: Path, scratch: Path, models: int) -> Iterator[Endpoint]:
    settings = {
        "MME_PORT": str(free_port()),
        "MME_POOL_MIN": "1",
        "MME_POOL_MAX": "1",
        "MME_PRELOAD_LANGUAGES": "",
        "MME_RESIDENT_MODELS": str(max(1, models // CONTAINERS)),
    }
    with running_endpoint(str(store), scratch, settings, start_timeout_s=240) as running:
        yield running


def _shares(containers: Iterable[Endpoint]) -> dict[str, float]:
    totals: dict[str, float] = {}
    for each in containers:
        figures = requests.get(f"{each.url}/metrics", timeout=60).text
        for outcome, count in COUNTED.findall(figures):
            totals[outcome] = totals.get(outcome, 0.0) + float(count)
    return {outcome: count / sum(totals.values()) for outcome, count in totals.items()}


def _places(balancer: Balancer, models: list[Model]) -> dict[str, str]:
    """Model -> the container that answers for it."""
    with requests.Session() as session:
        return {
            model.target: session.post(
                f"{balancer.url}/endpoints/e/invocations", data="a,b",
                headers={TARGET: model.target, "Content-Type": "text/csv"}, timeout=70,
            ).headers["X-Mme-Container"]
            for model in models
        }  # fmt: skip
