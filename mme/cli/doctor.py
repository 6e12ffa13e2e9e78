"""`mme doctor`: look at everything that would keep an endpoint from serving here, and print it.

What is looked at is `mme.doctor`'s; here are the options and two forms of the report.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from mme.app.modes import PlatformError, read_platform
from mme.cli.codes import EXIT_FAILED, EXIT_OK
from mme.cli.misspelt import misspelt
from mme.cli.options import JsonOption  # noqa: TC001 - typer reads it
from mme.cli.tables import print_json
from mme.core.command_options import option
from mme.core.log import configure_logging
from mme.core.log_format import one_line
from mme.core.settings import SettingsError, read_settings
from mme.doctor.examination import Wish, examine
from mme.doctor.finding import Finding, counted, failed, is_well

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

EXAMPLES = """\
examples:
  mme doctor                              everything, each artifact of the store included
  mme doctor --no-artifacts               without downloading any
  mme doctor --artifact de/DocSim.tar.gz  this one alone
  MME_STORE=s3://bucket/models/ mme doctor --json

Exit code 0: nothing failed, 1: something did. docs/doctor.md tells what is looked at."""
COLOURS = {"ok": "green", "warning": "yellow", "failed": "bold red", "skipped": "dim"}
VERDICT_CHARS, CHECK_CHARS = 9, 17


def doctor(
    *,
    artifacts: Annotated[
        bool,
        typer.Option("--artifacts/--no-artifacts", help="admit artifacts of the store, or none"),
    ] = True,
    artifact: Annotated[
        list[str] | None, option("--artifact", "NAME", "only this one; may be given again")
    ] = None,
    limit: Annotated[int | None, option("--limit", "N", "at most so many artifacts", min=1)] = None,
    as_json: JsonOption = False,
) -> int:
    """Look for what would keep an endpoint from serving here; no endpoint needs to run.

    Looks, with the variables an endpoint would have, at Java, port, store and rights, each
    artifact, memory, tasks, descriptors, disk, clock and settings, and says what to do.
    """
    configure_logging("CRITICAL")  # what is wrong is in the report
    return run_doctor(Wish(artifacts, tuple(artifact or ()), limit), as_json=as_json)


def run_doctor(wish: Wish, *, as_json: bool = False, console: Console | None = None) -> int:
    """Examine and report; returns the exit code."""
    out = console or Console(highlight=False)
    is_shown = out.is_terminal and not as_json
    with _progress(out if is_shown else Console(stderr=True)) as on_progress:
        findings = asyncio.run(_reported(wish, on_progress, None if as_json else out))
    if as_json:
        said = {"is_well": is_well(findings), "findings": [each.to_json() for each in findings]}
        print_json(said)
    else:
        out.print(summary(findings), style="bold" if out.is_terminal else "")
    return EXIT_OK if is_well(findings) else EXIT_FAILED


def summary(findings: list[Finding]) -> str:
    """The report's last line."""
    counts = Counter(each.verdict for each in findings)
    return f"{counts['ok']} ok, {counted(counts['warning'], 'warning')}, {counts['failed']} failed"


async def _reported(
    wish: Wish, on_progress: Callable[[int, int], None], out: Console | None
) -> list[Finding]:
    findings = []
    async with aclosing(_examined(wish, on_progress)) as found:
        async for finding in found:
            findings.append(finding)
            if out is not None:
                print_finding(finding, out)
    return findings


async def _examined(
    wish: Wish, on_progress: Callable[[int, int], None]
) -> AsyncGenerator[Finding, None]:
    """All findings; where the environment cannot be read, that is the only one."""
    try:
        settings, platform = read_settings(), read_platform(os.environ)
    except (SettingsError, PlatformError) as error:
        yield failed("settings", str(error), "set it right; `mme settings` tells what each means")
        return
    odd = list(misspelt(os.environ))
    async with aclosing(examine(settings, platform, odd, wish, on_progress)) as found:
        async for finding in found:
            yield finding


def print_finding(finding: Finding, out: Console) -> None:
    """One line, and one more for what to do. Names out of a store are in it: no control signs."""
    head = Text()
    head.append(f"{finding.verdict:<{VERDICT_CHARS}}", COLOURS[finding.verdict])
    head.append(f"{finding.check:<{CHECK_CHARS}}")
    if not out.is_terminal:  # whoever reads it by a program has one line for one
        out.print(head.append(one_line(finding.found)), soft_wrap=True)
        if finding.advice:
            out.print(f"{'':{VERDICT_CHARS}}-> {one_line(finding.advice)}", soft_wrap=True)
        return
    indent = VERDICT_CHARS + CHECK_CHARS
    lines = Text(one_line(finding.found)).wrap(out, max(20, out.width - indent))
    out.print(head.append_text(lines[0] if lines else Text()))
    for line in lines[1:]:
        out.print(Padding(line, (0, 0, 0, indent)))
    if finding.advice:
        out.print(Padding(Text(f"-> {one_line(finding.advice)}", "cyan"), (0, 0, 0, indent)))


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[int, int], None]]:
    """A bar of the artifacts looked at, on a terminal only, gone at the end."""
    bar = Progress(
        TextColumn("artifacts"), BarColumn(), MofNCompleteColumn(),
        console=console, transient=True, disable=not console.is_terminal,
    )  # fmt: skip

    def on_progress(done: int, whole: int) -> None:
        if not bar.tasks:
            bar.add_task("", total=whole)
        bar.update(bar.tasks[0].id, completed=done, total=whole, visible=done < whole)

    with bar:
        yield on_progress
