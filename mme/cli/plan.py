"""`mme plan`: what a trace of requests takes, from its options to what is printed.

Reading traces, replaying and choosing are `mme.planning`'s; the page is `plan_page.py`'s, the
picture `plan_picture.py`'s.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path  # noqa: TC003 - typer reads it
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mme.cli.codes import EXIT_FAILED, EXIT_OK, EXIT_USAGE
from mme.cli.commands import say
from mme.cli.options import JsonOption, TokenOption  # noqa: TC001 - typer reads them
from mme.cli.plan_output import write_output
from mme.cli.plan_progress import shown_phases
from mme.cli.plan_source import SourceError, source_of
from mme.cli.plan_told import tell
from mme.cli.tables import print_json
from mme.core.command_options import check_local, option
from mme.core.settings import SettingsError, read_settings
from mme.memory.readings import MemoryReader
from mme.planning.costs import Costs, CostsError, read_costs
from mme.planning.machine import Machine
from mme.planning.plan import MOST_COMPARED, NoRoom, Question, planned
from mme.planning.prices import DEFAULT_REGION, SHIPPED, PricesError, read_prices
from mme.planning.probing import probed
from mme.planning.reading import TraceError
from mme.planning.report import report_of
from mme.planning.simulate import NotSimulated
from mme.planning.target import TargetError, target_of
from mme.planning.zipf import ZipfError

if TYPE_CHECKING:
    from mme.planning.plan import Phase
    from mme.planning.prices import Instance

EXAMPLES = """\
examples:
  mme plan --trace http://127.0.0.1:8080/trace --memory 4GiB --cores 4
  mme plan --trace requests.csv.gz --costs costs.json --target 'hit>=0.99,p99<=200ms'
  mme plan --trace requests.csv --artifacts artifacts/ --costs costs.json
  mme plan --zipf models=100000,requests=1e6,s=1.1,rate=500/s --memory 8GiB

A trace is CSV with a column of times and one of models, lines of JSON, or an endpoint's log.
Exit code 1: no instance meets the target. docs/capacity.md tells how it reckons."""
MOST_COUNT = 64
BAD_INPUT = (
    CostsError, NoRoom, NotSimulated, PricesError, SettingsError, SourceError, TargetError,
    TraceError, ZipfError,
)  # fmt: skip


def plan(
    *,
    trace: Annotated[
        str | None, option("--trace", "FILE", "a file, - or the URL of an endpoint's /trace")
    ] = None,
    zipf: Annotated[
        str | None,
        option("--zipf", "NAME=N,…", "make it up: models, requests, s, rate, seed, swing, drift"),
    ] = None,
    artifacts: Annotated[
        Path | None, option("--artifacts", "DIR", "measure here what these artifacts cost")
    ] = None,
    costs: Annotated[
        Path | None,
        option(
            "--costs",
            "FILE",
            "what models cost, as JSON; written there with --artifacts (default: assumed)",
        ),
    ] = None,
    memory: Annotated[
        str | None, option("--memory", "SIZE", "of the machine, as 4GiB (default: of this one)")
    ] = None,
    cores: Annotated[
        int | None, option("--cores", "N", "of the machine (default: of this one)", min=1)
    ] = None,
    policy: Annotated[
        Literal["worth", "lru"] | None,
        option("--policy", "worth|lru", "what leaves memory first (default: MME_EVICTION)"),
    ] = None,
    on_disk: Annotated[
        bool, typer.Option("--on-disk", help="all artifacts are on the disk when it begins")
    ] = False,
    target: Annotated[
        str | None, option("--target", "BOUNDS", "choose instances that keep hit>=0.99,p99<=200ms")
    ] = None,
    instances: Annotated[
        str | None,
        option("--instances", "LIST", "types to choose from, as ml.m5.large,ml.c5.xlarge"),
    ] = None,
    most: Annotated[
        int, typer.Option("--most", metavar="N", help="instances at most", min=1, max=MOST_COUNT)
    ] = 8,
    prices: Annotated[
        Path, option("--prices", "FILE", "another table of prices, as CSV")
    ] = SHIPPED,
    region: Annotated[str, typer.Option(metavar="NAME", help="of the prices")] = DEFAULT_REGION,
    compare: Annotated[
        int,
        typer.Option(metavar="N", help="requests to compare memories and instances by", min=1),
    ] = MOST_COMPARED,
    output: Annotated[
        Path | None, option("--output", "DIR", "write plan.json, plan.html and plan.png there")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="show no progress")] = False,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> int:
    """Replay a trace of requests and say what it takes: memory, cores, instances, money.

    Requests are not computed: the endpoint's own rules are played through on a clock, with what
    models cost. Settings are read as the endpoint reads them, from variables MME_….
    """
    check_local(output, "--output")
    try:
        if output is not None:
            output.mkdir(parents=True, exist_ok=True)
        question = Question(
            machine=_machine(memory, cores, policy, on_disk=on_disk),
            costs=Costs(),
            target=None if target is None else target_of(target),
            instances=_wanted(read_prices(prices, region), instances),
            counts=range(1, most + 1),
            compared=compare,
        )
        with shown_phases(is_quiet=quiet) as phase:
            source = source_of(trace, zipf, token, told=phase("lines"))
            known = _costs(artifacts, costs, phase)
            if known is not None:
                source = source.without_times()
            question = dataclasses.replace(question, costs=known or source.costs or question.costs)
            report = report_of(planned(source.chunks, question, phase))
        report["costs_from"] = "measured" if known else "trace" if source.costs else "assumed"
        report["trace"]["source"] = source.name
        written, lacking = ([], "") if output is None else write_output(report, output)
    except OSError as error:
        say(f"{error.filename or output or trace}: {error.strerror or error}")
        return EXIT_USAGE
    except BAD_INPUT as error:
        say(str(error))
        return EXIT_USAGE
    if as_json:
        print_json(report)
    else:
        tell(report, written)
    if lacking:
        say(lacking)
    is_unmet = "choice" in report and report["choice"]["chosen"] is None
    return EXIT_FAILED if is_unmet else EXIT_OK


def _machine(
    memory: str | None, cores: int | None, policy: str | None, *, on_disk: bool
) -> Machine:
    """The machine with the endpoint's settings; an option counts more than its variable."""
    for name, value in (("MME_MEMORY_LIMIT", memory), ("MME_EVICTION", policy)):
        if value is not None:
            os.environ[name] = value
    machine = Machine.of(
        read_settings(),
        memory_bytes=MemoryReader().read().limit,
        cores=cores or len(os.sched_getaffinity(0)),
    )
    return dataclasses.replace(machine, starts_admitted=on_disk)


def _costs(artifacts: Path | None, file: Path | None, phase: Phase) -> Costs | None:
    """What is measured, or was; None: it is to be assumed. Raises CostsError."""
    if artifacts is None:
        return None if file is None else read_costs(file)
    told = phase("measuring artifacts")
    measured = probed(artifacts, lambda done, _: told(done, 0.0))
    if file is not None:
        try:
            measured.write(file)
        except OSError as error:
            raise CostsError(f"--costs {file}: {error.strerror or error}") from error
    return measured


def _wanted(offered: list[Instance], named: str | None) -> list[Instance]:
    if named is None:
        return offered
    names = [each.strip() for each in named.split(",") if each.strip()]
    known = {each.name: each for each in offered}
    if unknown := [name for name in names if name not in known]:
        raise PricesError(f"--instances: no price of {unknown[0]!r}, only of {', '.join(known)}")
    return [known[name] for name in names]
