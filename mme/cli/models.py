"""`mme models`, `load`, `unload`, `pin`: what is there, and what shall be in memory."""

from __future__ import annotations

import sys
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mme.cli import tables
from mme.cli.client import NotOurs, Refused, model_path
from mme.cli.codes import EXIT_FAILED, EXIT_OK, code_of
from mme.cli.options import (
    LONG_S,
    EndpointOption,
    JsonOption,
    TargetsArgument,
    TokenOption,
    complete_target,
    endpoint_of,
)
from mme.cli.progress import working
from mme.cli.targets import about
from mme.core.command_options import argument, option

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mme.cli.client import Endpoint

PAGE = 1000
HEAD = ("MODEL", "STATE", "MEMORY", "REQUESTS", "ERRORS", "P50", "P99", "LAST USE", "NOTE")
LEAST = ("P50", "MEMORY", "P99", "LAST USE", "ERRORS", "REQUESTS")
"""What a narrow terminal does without first."""
MODELS_EXAMPLES = """\
examples:
  mme models                              all, those that are only in the store too
  mme models de/ --state ready,loading    below de/, in memory or on the way there
  mme models --limit 20 --json

A state is ready, loading, on-disk, downloading or in-store. --json has all that is known: sizes,
version, times, cost of a load, last error."""
LOAD_EXAMPLES = """\
example:
  mme load de/DocSim.tar.gz en/Search.tar.gz"""
UNLOAD_EXAMPLES = """\
example:
  mme unload de/DocSim.tar.gz             it stays on disk, and comes back when asked for"""
PIN_EXAMPLES = """\
examples:
  mme pin de/DocSim.tar.gz                it stays in memory once it is there
  mme pin de/DocSim.tar.gz --remove

Pins of this kind last until the endpoint ends; MME_PIN is for those that stay."""


def models(
    prefix: Annotated[
        str,
        argument("PREFIX", "only those whose names begin so", autocompletion=complete_target),
    ] = "",
    *,
    state: Annotated[str, option("--state", "STATES", "only these, as ready,loading")] = "",
    limit: Annotated[int, option("--limit", "N", "at most so many", min=1)] = sys.maxsize,
    endpoint: EndpointOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> int:
    """List the models that are in memory, on the endpoint's disk, or in its store.

    Pipelines of the endpoint's operator come last.
    """
    listing = _Listing(endpoint_of(endpoint, token), prefix, state)
    found = []
    for model in listing:
        found.append(model)
        if len(found) == limit:
            break
    found += listing.pipelines[: limit - len(found)]
    if as_json:
        tables.print_json(found)
    else:
        rows = (_row(model) for model in found)
        tables.print_table(HEAD, rows, right=HEAD[2:7], least=LEAST)
    if listing.store_error:
        print(
            f"mme: the store cannot be listed: {tables.plain(listing.store_error)}", file=sys.stderr
        )
        return EXIT_FAILED
    return EXIT_OK


class _Listing:
    """All pages, one asked for when the one before is used up."""

    def __init__(self, endpoint: Endpoint, prefix: str, state: str) -> None:
        self._endpoint = endpoint
        self._wanted = {"prefix": prefix, "state": state}
        self.store_error = ""
        self.pipelines: list[dict[str, Any]] = []
        """Known once the first page is; of older endpoints there are none."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        token = ""
        while True:
            page = self._endpoint.get("/models", limit=PAGE, next_page_token=token, **self._wanted)
            self.store_error = page.get("store_error") or self.store_error
            self.pipelines += [each for each in page.get("pipelines", ()) if "pipeline" in each]
            for model in page.get("models", ()):
                if "target_model" not in model:
                    raise NotOurs(HTTPStatus.OK, "the list of models is in another form")
                yield model
            token = page.get("nextPageToken", "")
            if not token:
                return


def _row(model: dict[str, Any]) -> list[str]:
    return [
        model.get("target_model") or model["pipeline"],
        model.get("state", ""),
        tables.size(model.get("memory_bytes")),
        str(model.get("invocations", "")),
        str(model.get("errors", "")),
        tables.milliseconds(model.get("p50_ms")),
        tables.milliseconds(model.get("p99_ms")),
        tables.clock(model.get("last_used_at")),
        _note(model),
    ]


def _note(model: dict[str, Any]) -> str:
    """What else is worth a look."""
    notes = []
    if steps := model.get("steps"):
        notes.append(f"pipeline: {', '.join(str(step.get('name')) for step in steps)}")
    if model.get("pinned"):
        notes.append("pinned")
    if model.get("gone_from_store"):
        notes.append("gone from the store")
    if failed := model.get("last_error"):
        notes.append(f"{tables.clock(failed.get('at'))} {failed.get('message')}".strip())
    elif evicted := model.get("evicted_at"):
        notes.append(f"evicted {tables.clock(evicted)}")
    return "; ".join(notes)


def load(
    targets: TargetsArgument,
    *,
    endpoint: EndpointOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> int:
    """Bring models into memory, from the store if need be; returns when they are there."""
    asked = endpoint_of(endpoint, token, timeout_s=LONG_S)

    def one(target: str) -> Any:
        with working(f"loading {target}"):
            return asked.post("/models", {"target_model": target})

    return _each(asked, targets, one, _loaded, as_json=as_json)


def _loaded(model: dict[str, Any]) -> str:
    load_s = model.get("load_s")
    facts = [
        "" if load_s is None else f"loading takes {tables.milliseconds(load_s * 1000)}",
        f"{size} of memory" if (size := tables.size(model.get("memory_bytes"))) else "",
    ]
    told = ", ".join(fact for fact in facts if fact)
    return f"{model.get('state', 'ready')}{f' ({told})' if told else ''}"


def unload(
    targets: TargetsArgument,
    *,
    endpoint: EndpointOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> int:
    """Let models leave memory; they stay on disk and come back when they are asked for."""
    asked = endpoint_of(endpoint, token)
    return _each(
        asked,
        targets,
        lambda target: asked.delete(model_path(target)),
        lambda answer: str(answer.get("status", "unloaded")),
        as_json=as_json,
    )


def pin(
    targets: TargetsArgument,
    *,
    remove: Annotated[bool, typer.Option("--remove", help="let them leave again")] = False,
    endpoint: EndpointOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> int:
    """Have models stay in memory once they are there, until the endpoint ends."""
    asked = endpoint_of(endpoint, token)
    do = asked.delete if remove else asked.put
    return _each(
        asked,
        targets,
        lambda target: do(model_path(target, "pin")),
        lambda model: "pinned" if model.get("pinned") else "not pinned",
        as_json=as_json,
    )


def _each(
    endpoint: Endpoint,
    targets: list[str],
    do: Callable[[str], Any],
    said: Callable[[Any], str],
    *,
    as_json: bool,
) -> int:
    """Do it to each, also after one that was refused; the code of the first that was."""
    code, answers = EXIT_OK, []
    for target in targets:
        try:
            answer = about(endpoint, target, lambda target=target: do(target))  # type: ignore[misc]
        except Refused as error:
            print(f"mme: {target}: {error.message}", file=sys.stderr)
            code = code or code_of(error)
            continue
        answers.append(answer)
        if not as_json:
            print(f"{tables.plain(target)}: {said(answer)}", flush=True)
    if as_json:
        tables.print_json(answers[0] if len(targets) == 1 and answers else answers)
    return code
