"""`mme batch`: its options, what it prints, its exit codes."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mme.cli.batch_run import Batch, BatchFailed, Interrupted, endpoint_address, run_batch
from mme.cli.codes import EXIT_FAILED, EXIT_OK, EXIT_USAGE
from mme.core.log import configure_logging
from mme.core.settings import SettingsError, read_settings
from mme.jobs.transform import records, spec
from mme.jobs.transform.errors import TransformRefused
from mme.jobs.transform.targets import OneTarget, TargetColumn, TargetPattern
from mme.training.progress import progress_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from mme.jobs.transform.running import Summary
    from mme.jobs.transform.targets import Targets

DESCRIPTION = "Send every record of a folder or an S3 prefix through models of a running endpoint."
EXAMPLES = """\
examples:
  mme batch --input pairs/ --output scores/ --target-model DocSim.tar.gz --split-type Line
  mme batch --input s3://bucket/texts/ --output s3://bucket/phrases/ \\
      --target-pattern '{folder}/TopicalPageRank.tar.gz' --content-type text/plain
  mme batch --input rows.csv --output scores/ --target-column model --split-type Line \\
      --accept text/csv --assemble-with Line --join-source Input

Each input NAME becomes NAME.out. Run again, it does what is not done yet."""
SHOWN_FAILURES = 20
EXIT_INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    _add_places(parser)
    _add_terms(parser.add_argument)
    parser.add_argument(
        "--summary", type=Path, metavar="FILE", help="write counts and failures there, as JSON"
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress")


def _add_places(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--input", required=True, metavar="PLACE", help="s3://bucket/prefix, a folder or a file")
    add("--output", required=True, metavar="PLACE", help="s3://bucket/prefix or a folder")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--target-model", metavar="TARGET", help="the model of all records")
    which.add_argument(
        "--target-column",
        metavar="NAME",
        help="the column (of a CSV with a header line) or JSON key that names each record's model",
    )
    which.add_argument(
        "--target-pattern",
        metavar="PATTERN",
        help="the model from an input's path: {folder}, {name}, {stem} and {key} are filled in",
    )
    add(
        "--endpoint",
        metavar="URL",
        help="the endpoint to ask (default: MME_ENDPOINT, else http://127.0.0.1:8080)",
    )


def _add_terms(add: Callable[..., object]) -> None:
    add("--content-type", metavar="TYPE", help="of the records (default: by the inputs' endings)")
    add("--accept", default="", metavar="TYPE", help="the wanted type of answers")
    add(
        "--split-type",
        default=records.NONE,
        choices=records.SPLIT_TYPES,
        help="how inputs are split",
    )
    add(
        "--batch-strategy",
        default=spec.MULTI_RECORD,
        choices=spec.STRATEGIES,
        help="as many records in a request as fit, or one (default: MultiRecord)",
    )
    add(
        "--max-payload-mb",
        type=int,
        default=spec.DEFAULT_MB,
        metavar="N",
        help="largest request, in MiB (default: 6)",
    )
    add(
        "--max-concurrent",
        type=int,
        default=1,
        metavar="N",
        help="how many requests at a time (default: 1)",
    )
    add(
        "--assemble-with",
        default=records.NONE,
        choices=spec.ASSEMBLIES,
        help="what ends each answer in the output: nothing or a line break",
    )
    add(
        "--compression",
        choices=spec.COMPRESSIONS,
        help="of the inputs (default: Gzip for names that end in .gz)",
    )
    add("--input-filter", default="$", metavar="PATH", help="what of a record is sent (JSONPath)")
    add("--output-filter", default="$", metavar="PATH", help="what of a result is kept (JSONPath)")
    add(
        "--join-source",
        default=records.NONE,
        choices=spec.JOIN_SOURCES,
        help="Input: each result goes with its record",
    )
    add(
        "--timeout",
        type=float,
        default=spec.DEFAULT_TIMEOUT_S,
        metavar="SECONDS",
        help="for one request (default: 600)",
    )
    add(
        "--retries",
        type=int,
        default=spec.MOST_RETRIES,
        metavar="N",
        help="of a request whose fault may pass (default: 3)",
    )


def run_command(options: argparse.Namespace) -> int:
    """Transform and print; returns the exit code."""
    configure_logging("WARNING" if options.quiet else "INFO")
    began_s = time.monotonic()
    try:
        batch = Batch(
            input=options.input,
            output=options.output,
            endpoint=endpoint_address(options.endpoint),
            state_dir=read_settings().state_dir,
            targets=lambda content_type: _targets(options, content_type),
            transform=lambda content_type: _transform(options, content_type),
            content_type=options.content_type,
        )
        summary, problem, code = (
            asyncio.run(run_batch(batch, progress_for(is_quiet=options.quiet))),
            "",
            EXIT_OK,
        )
    except KeyboardInterrupt:  # before there was anything to stop
        return EXIT_INTERRUPTED
    except (TransformRefused, SettingsError) as error:
        print(f"mme batch: {error}", file=sys.stderr)
        return EXIT_USAGE
    except BatchFailed as error:
        summary, problem, code = error.summary, str(error), EXIT_FAILED
    except Interrupted as error:
        summary, problem, code = error.summary, "stopped; run it again to go on", error.exit_code
    if summary.failed:
        code = code or EXIT_FAILED
    print(_as_text(summary, time.monotonic() - began_s))
    if problem:
        print(f"mme batch: {problem}", file=sys.stderr)
    if options.summary:
        try:
            options.summary.write_text(_as_json(summary, problem), encoding="utf-8")
        except OSError as error:
            print(f"mme batch: the summary cannot be written: {error}", file=sys.stderr)
            return code or EXIT_FAILED
    return code


def _targets(options: argparse.Namespace, content_type: str) -> Targets:
    if options.target_column:
        return TargetColumn(options.target_column, content_type)
    if options.target_pattern:
        return TargetPattern(options.target_pattern)
    return OneTarget(options.target_model)


def _transform(options: argparse.Namespace, content_type: str) -> spec.Transform:
    return spec.Transform(
        content_type=content_type,
        accept=options.accept,
        split_type=options.split_type,
        strategy=options.batch_strategy,
        max_payload_mb=options.max_payload_mb,
        max_concurrent=options.max_concurrent,
        assemble_with=options.assemble_with,
        compression=options.compression,
        processing=spec.Processing.read(
            options.input_filter, options.output_filter, options.join_source
        ),
        timeout_s=options.timeout,
        retries=options.retries,
    )


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
