"""`mme invoke`: one request to a model, its answer on the standard output."""

from __future__ import annotations

import json
import sys
import urllib.parse
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mme.cli import tables
from mme.cli.client import Refused, model_path, refusal_of
from mme.cli.codes import EXIT_OK, EXIT_USAGE
from mme.cli.commands import say
from mme.cli.options import (
    LONG_S,
    EndpointOption,
    JsonOption,
    TargetArgument,
    TokenOption,
    endpoint_of,
)
from mme.cli.progress import working
from mme.cli.targets import about
from mme.core.command_options import option
from mme.core.names import TARGET_HEADER, as_header

if TYPE_CHECKING:
    from mme.cli.client import Endpoint, Reply

EXAMPLES = """\
examples:
  mme invoke en/Search.tar.gz --data 'Spinach has more iron than any other vegetable'
  mme invoke de/DocSim.tar.gz --data @pairs.csv --accept text/csv
  mme invoke de/DocSim.tar.gz --data 'one text,another' --content-type text/csv
  mme invoke de/DocSim.tar.gz --sample          with the request that came with the artifact
  mme invoke claim-check --data 'a claim'       a pipeline of MME_PIPELINES
  some-program | mme invoke en/Search.tar.gz --content-type application/json

Without --content-type it goes by a file's ending; else JSON is application/json and all else
text/plain."""
STANDARD_INPUT = "-"
BY_ENDING = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".jsonl": "application/jsonlines",
    ".txt": "text/plain",
}


@dataclass(frozen=True, slots=True)
class _Request:
    content_type: str
    accept: str
    body: bytes


def invoke(
    target: TargetArgument,
    *,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            "-d",
            metavar="TEXT|@FILE|-",
            help="what is sent; - is the standard input (the default where that is no terminal)",
            show_default=False,
        ),
    ] = None,
    sample: Annotated[
        bool, typer.Option("--sample", help="send the model's sample request")
    ] = False,
    content_type: Annotated[str | None, option("--content-type", "TYPE", "of the data")] = None,
    accept: Annotated[str | None, option("--accept", "TYPE", "of the answer")] = None,
    target_model: Annotated[
        str,
        option(
            "--target-model", "TARGET", "of a pipeline, the model of the step that requests choose"
        ),
    ] = "",
    endpoint: EndpointOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> int:
    """Ask a model, or a pipeline; it is loaded if need be. The answer is printed as it comes.

    --json has status, headers and answer as one object.
    """
    asked = endpoint_of(endpoint, token, timeout_s=LONG_S)
    if sample and data is not None:
        say("--sample and --data exclude each other")
        return EXIT_USAGE
    for name in (target, target_model):
        if not name.isprintable():
            say(f"{name!r} is no name of a model")
            return EXIT_USAGE
    try:
        request = _sample(asked, target) if sample else _given(data)
    except OSError as error:
        say(f"--data: {error.filename or STANDARD_INPUT}: {error.strerror or error}")
        return EXIT_USAGE
    except ValueError as error:
        say(f"{'--sample' if sample else '--data'}: {error}")
        return EXIT_USAGE
    headers = {
        "Content-Type": content_type or request.content_type,
        "Accept": accept or request.accept or "*/*",
    }
    reply = about(asked, target, lambda: _asked(asked, target, target_model, headers, request.body))
    _print(reply, as_json=as_json)
    return EXIT_OK


def _asked(
    endpoint: Endpoint, target: str, chosen: str, headers: dict[str, str], body: bytes
) -> Reply:
    """The answer; `chosen` is the model a pipeline is to ask. Raises Refused."""
    by_name = f"/endpoints/{urllib.parse.quote(target, safe='')}/invocations"
    with working(f"asking {target}"):
        if chosen:
            reply = endpoint.ask(
                "POST", by_name, headers | {TARGET_HEADER: as_header(chosen)}, body
            )
        else:
            named = headers | {TARGET_HEADER: as_header(target)}
            reply = endpoint.ask("POST", "/invocations", named, body)
            if reply.status == HTTPStatus.BAD_REQUEST and _is_pipeline(endpoint, target):
                reply = endpoint.ask("POST", by_name, headers, body)
    if not reply.is_good:
        raise refusal_of(reply)
    return reply


def _is_pipeline(endpoint: Endpoint, name: str) -> bool:
    try:
        told = endpoint.get(model_path(name))
    except Refused:
        return False
    return isinstance(told, dict) and "pipeline" in told


def _given(data: str | None) -> _Request:
    """What the option says. Raises OSError, ValueError."""
    if data is None and sys.stdin.isatty():
        raise ValueError("what shall be sent? TEXT, @FILE, - for the standard input; or --sample")
    if data is None or data == STANDARD_INPUT:
        body, content_type = sys.stdin.buffer.read(), ""
    elif data.startswith("@"):
        path = Path(data.removeprefix("@")).expanduser()
        body, content_type = path.read_bytes(), BY_ENDING.get(path.suffix.lower(), "")
    else:
        body, content_type = data.encode("utf-8", "surrogateescape"), ""
    return _Request(content_type or _looks_like(body), "", body)


def _looks_like(body: bytes) -> str:
    if body.lstrip()[:1] in (b"{", b"["):
        try:
            json.loads(body)
        except (ValueError, RecursionError):
            return "text/plain"
        return "application/json"
    return "text/plain"


def _sample(endpoint: Endpoint, target: str) -> _Request:
    """The model's sample request, for which it is loaded. Raises ValueError: it has none."""
    with working(f"loading {target}"):
        about(endpoint, target, lambda: endpoint.post("/models", {"target_model": target}))
    told = endpoint.get(model_path(target, "sample"))
    if not told["body"]:
        raise ValueError(f"{target} has no sample request: send one of your own by --data")
    body = str(told["body"]).encode()
    return _Request(str(told["content_type"]), str(told.get("accept") or ""), body)


def _print(reply: Reply, *, as_json: bool) -> None:
    if as_json:
        tables.print_json(
            {
                "status": reply.status,
                "headers": dict(reply.headers),
                "body": _readable(reply),
            }
        )
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(reply.body)
    if sys.stdout.isatty() and not reply.body.endswith(b"\n"):
        sys.stdout.buffer.write(b"\n")
    sys.stdout.buffer.flush()


def _readable(reply: Reply) -> object:
    text = reply.body.decode("utf-8", "replace")
    if "json" in reply.headers.get("content-type", ""):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return text
