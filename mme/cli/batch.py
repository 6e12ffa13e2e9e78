"""`mme batch`: its options, what it prints, its exit codes."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
import time
from pathlib import Path  # noqa: TC003 - typer reads it
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mme.cli.batch_run import Batch, BatchFailed, Interrupted, run_batch
from mme.cli.batch_where import Endpoint, Ray
from mme.cli.client import BadAddress, endpoint_url
from mme.cli.codes import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE
from mme.cli.options import EndpointOption, JsonOption, TokenOption, complete_target
from mme.cli.ray_address import ray_address
from mme.core.command_options import option
from mme.core.log import configure_logging
from mme.core.settings import SettingsError, read_settings
from mme.jobs.transform import spec
from mme.jobs.transform.errors import TransformRefused
from mme.jobs.transform.targets import OneTarget, TargetColumn, TargetPattern
from mme.training.progress import progress_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from mme.jobs.transform.running import Summary
    from mme.jobs.transform.targets import Targets
    from models.serving import Progress

EXAMPLES = """\
examples:
  mme batch --input pairs/ --output scores/ --target-model DocSim.tar.gz --split-type Line
  mme batch --input s3://bucket/texts/ --output s3://bucket/phrases/ \\
      --target-pattern '{folder}/TopicalPageRank.tar.gz' --content-type text/plain
  mme batch --input rows.csv --output scores/ --target-column model --split-type Line \\
      --accept text/csv --assemble-with Line --join-source Input
  mme batch --on ray --input s3://bucket/texts/ --output s3://bucket/phrases/ \\
      --target-model TopicalPageRank.tar.gz

Each input NAME becomes NAME.out. Run again, it does what is not done yet."""
SHOWN_FAILURES = 20


def batch(
    *,
    source: Annotated[str, option("--input", "PLACE", "s3://bucket/prefix, a folder or a file")],
    output: Annotated[str, option("--output", "PLACE", "s3://bucket/prefix or a folder")],
    target_model: Annotated[
        str | None,
        option(
            "--target-model", "TARGET", "the model of all records", autocompletion=complete_target
        ),
    ] = None,
    target_column: Annotated[
        str | None,
        option(
            "--target-column",
            "NAME",
            "the column (of a CSV with a header line) or JSON key that names each record's model",
        ),
    ] = None,
    target_pattern: Annotated[
        str | None,
        option(
            "--target-pattern",
            "PATTERN",
            "the model from an input's path: {folder}, {name}, {stem} and {key} are filled in",
        ),
    ] = None,
    endpoint: EndpointOption = None,
    token: TokenOption = None,
    on: Annotated[
        str | None,
        option(
            "--on",
            "CLUSTER",
            "ray or ray://HOST:PORT: no endpoint is asked, each node of the cluster runs one",
        ),
    ] = None,
    shared_folders: Annotated[
        bool,
        typer.Option("--shared-folders", help="each node of --on has the folders that are named"),
    ] = False,
    content_type: Annotated[
        str | None,
        option("--content-type", "TYPE", "of the records (default: by the inputs' endings)"),
    ] = None,
    accept: Annotated[str, option("--accept", "TYPE", "the wanted type of answers")] = "",
    split_type: Annotated[
        Literal["None", "Line", "RecordIO", "TFRecord"],
        typer.Option(help="how inputs are split"),
    ] = "None",
    batch_strategy: Annotated[
        Literal["MultiRecord", "SingleRecord"],
        typer.Option(help="as many records in a request as fit, or one"),
    ] = "MultiRecord",
    max_payload_mb: Annotated[
        int, typer.Option(metavar="N", help="largest request, in MiB")
    ] = spec.DEFAULT_MB,
    max_concurrent: Annotated[
        int, typer.Option(metavar="N", help="how many requests at a time")
    ] = 1,
    assemble_with: Annotated[
        Literal["None", "Line"],
        typer.Option(help="what ends each answer in the output: nothing or a line break"),
    ] = "None",
    compression: Annotated[
        Literal["None", "Gzip"] | None,
        option("--compression", None, "of the inputs (default: Gzip for names that end in .gz)"),
    ] = None,
    input_filter: Annotated[
        str, typer.Option(metavar="PATH", help="what of a record is sent (JSONPath)")
    ] = "$",
    output_filter: Annotated[
        str, typer.Option(metavar="PATH", help="what of a result is kept (JSONPath)")
    ] = "$",
    join_source: Annotated[
        Literal["None", "Input"], typer.Option(help="Input: each result goes with its record")
    ] = "None",
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="for one request")
    ] = spec.DEFAULT_TIMEOUT_S,
    retries: Annotated[
        int, typer.Option(metavar="N", help="of a request whose fault may pass")
    ] = spec.MOST_RETRIES,
    summary: Annotated[
        Path | None, option("--summary", "FILE", "write counts and failures there, as JSON")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="show no progress")] = False,
    as_json: JsonOption = False,
) -> int:
    """Send every record of a folder or an S3 prefix through models of a running endpoint."""
    targets = _targets_of(target_model, target_column, target_pattern)
    if on is None and shared_folders:
        raise typer.BadParameter("--shared-folders says nothing without --on")
    if on is not None and endpoint:
        raise typer.BadParameter("name --endpoint or --on: with --on no endpoint is asked")
    configure_logging("WARNING" if quiet else "INFO")

    def transform(content_type: str) -> spec.Transform:
        return spec.Transform(
            content_type=content_type,
            accept=accept,
            split_type=split_type,
            strategy=batch_strategy,
            max_payload_mb=max_payload_mb,
            max_concurrent=max_concurrent,
            assemble_with=assemble_with,
            compression=compression,
            processing=spec.Processing.read(input_filter, output_filter, join_source),
            timeout_s=timeout,
            retries=retries,
        )

    def who() -> Endpoint | Ray:
        if on is None:
            return Endpoint(endpoint_url(endpoint), token or "")
        return Ray(ray_address(on), read_settings(), has_shared_folders=shared_folders)

    def wanted() -> Batch:
        return Batch(
            input=source,
            output=output,
            where=who(),
            state_dir=read_settings().state_dir,
            targets=targets,
            transform=transform,
            content_type=content_type,
        )

    return _run(wanted, progress_for(is_quiet=quiet), summary, as_json=as_json)


def _targets_of(
    model: str | None, column: str | None, pattern: str | None
) -> Callable[[str], Targets]:
    """Which model a record is for, by the content type. Raises BadParameter."""
    given = [option for option in (model, column, pattern) if option is not None]
    if len(given) != 1:
        raise typer.BadParameter("name one of --target-model, --target-column and --target-pattern")
    if column is not None:
        return lambda content_type: TargetColumn(column, content_type)
    if pattern is not None:
        return lambda _: TargetPattern(pattern)
    return lambda _: OneTarget(str(model))


def _run(
    wanted: Callable[[], Batch], progress: Progress, written: Path | None, *, as_json: bool
) -> int:
    """Transform and print; returns the exit code."""
    began_s = time.monotonic()
    try:
        summary, problem, code = asyncio.run(run_batch(wanted(), progress)), "", EXIT_OK
    except KeyboardInterrupt:  # before there was anything to stop
        return EXIT_INTERRUPTED
    except (TransformRefused, SettingsError, BadAddress) as error:
        print(f"mme batch: {error}", file=sys.stderr)
        return EXIT_USAGE
    except BatchFailed as error:
        summary, problem, code = error.summary, str(error), EXIT_FAILED
    except Interrupted as error:
        summary, problem, code = error.summary, "stopped; run it again to go on", error.exit_code
    if summary.failed:
        code = code or EXIT_FAILED
    content = _as_json(summary, problem)
    print(content.rstrip() if as_json else _as_text(summary, time.monotonic() - began_s))
    if problem:
        print(f"mme batch: {problem}", file=sys.stderr)
    if written:
        try:
            written.write_text(content, encoding="utf-8")
        except OSError as error:
            print(f"mme batch: the summary cannot be written: {error}", file=sys.stderr)
            return code or EXIT_FAILED
    return code


def _as_text(summary: Summary, duration_s: float) -> str:
    counts = (
        f"{summary.inputs} inputs: {summary.done} done ({summary.records} records in"
        f" {summary.payloads} requests), {summary.already_done} done before,"
        f" {summary.failed} failed; {duration_s:.1f} s"
    )
    shown = summary.failures[:SHOWN_FAILURES]
    lines = [counts, *(f"failed: {each.uri}: {each.reason}" for each in shown)]
    if summary.failed > len(shown):
        lines.append(f"... and {summary.failed - len(shown)} more")
    return "\n".join(lines)


def _as_json(summary: Summary, problem: str) -> str:
    content = {"inputs": summary.inputs, **dataclasses.asdict(summary), "problem": problem or None}
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"
