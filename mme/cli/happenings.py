"""`mme events` and `mme logs`: what happened, and what comes."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mme.cli import tables
from mme.cli.client import told_by
from mme.cli.codes import EXIT_OK
from mme.cli.commands import say
from mme.cli.options import (
    EndpointOption,
    FollowOption,
    JsonOption,
    TokenOption,
    complete_target,
    endpoint_of,
)
from mme.core.command_options import option

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mme.cli.client import Endpoint

EVENTS_EXAMPLES = """\
examples:
  mme events                                        the last ones
  mme events --target de/DocSim.tar.gz -f           and what comes
  mme events --kind evicted,load_failed --limit 10
  mme events -f --json | jq .message                a line for each

Kinds are arrived, loaded, load_failed, evicted, unloaded, update_found, updated, update_failed,
gone, worker_died, isolated, alias_switched, alias_refused, pinned, unpinned, rested and woke.
A stream that breaks goes on where it was for as long as a restart takes."""
LOGS_EXAMPLES = """\
examples:
  mme logs --level WARNING                          the last lines of that level and above
  mme logs --target de/DocSim.tar.gz -f
  mme logs --request-id 7f3c2a…                     all that one request did"""
KIND_CHARS, LEVEL_CHARS = 14, 8


TargetOption = Annotated[
    str, option("--target", "TARGET", "only of this model", autocompletion=complete_target)
]
LimitOption = Annotated[
    int, typer.Option("--limit", "-n", metavar="N", min=0, max=1000, help="so many of the past")
]


def events(
    *,
    target: TargetOption = "",
    kind: Annotated[str, option("--kind", "KINDS", "only of these kinds")] = "",
    limit: LimitOption = 50,
    follow: FollowOption = False,
    endpoint: EndpointOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> int:
    """Show what happened to models and workers: loads, evictions, failures, updates."""
    wanted = {"target": target, "kind": kind}
    source = _Source(endpoint_of(endpoint, token), "/events", "events", wanted, print_event)
    return _show(source, limit, follow=follow, as_json=as_json)


def logs(
    *,
    target: TargetOption = "",
    request_id: Annotated[str, option("--request-id", "ID", "only of this request")] = "",
    level: Annotated[str, option("--level", "LEVEL", "only of this level or above")] = "",
    limit: LimitOption = 100,
    follow: FollowOption = False,
    endpoint: EndpointOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> int:
    """Show lines of the endpoint's log, of one model or one request if that is wanted."""
    wanted = {"target": target, "request_id": request_id, "level": level.upper()}
    source = _Source(endpoint_of(endpoint, token), "/logs", "lines", wanted, print_line)
    return _show(source, limit, follow=follow, as_json=as_json)


@dataclass(frozen=True, slots=True)
class _Source:
    """Where things that happen are told, under which name, and how one is printed."""

    endpoint: Endpoint
    path: str
    name: str
    wanted: Mapping[str, str]
    show: Callable[[dict[str, Any]], None]


def _show(source: _Source, limit: int, *, follow: bool, as_json: bool) -> int:
    told = source.endpoint.get(source.path, limit=max(limit, 1), **source.wanted)
    past = told[source.name][-limit:] if limit else []
    if as_json and not follow:
        tables.print_json(told | {source.name: past})
        return EXIT_OK
    show = tables.print_json_line if as_json else source.show
    for each in past:
        show(each)
    if not past and limit and not follow:
        say(f"the endpoint keeps no such {source.name}")
    if follow:
        for each in _following(source, told["last_id"]):
            show(each)
    return EXIT_OK


def _following(source: _Source, last_id: int) -> Iterator[dict[str, Any]]:
    """What comes after `last_id`, without end."""

    def on_break(reason: str) -> None:
        print(f"mme: {tables.plain(reason)}; trying to go on", file=sys.stderr)

    sys.stdout.flush()
    frames = source.endpoint.stream(source.path, on_break=on_break, after=last_id, **source.wanted)
    for frame in frames:
        if frame.event == source.name:
            yield from told_by(frame.data)
            sys.stdout.flush()


def print_event(event: dict[str, Any]) -> None:
    """One event on one line; what its message is about is in it."""
    kind = tables.coloured(str(event["kind"]), KIND_CHARS)
    print(f"{tables.clock(event['at'])}  {kind}  {tables.plain(event['message'])}")


def print_line(line: dict[str, Any]) -> None:
    """One line of the log."""
    level = tables.coloured(str(line.get("level", "")), LEVEL_CHARS)
    request = f"  [{tables.plain(line['request_id'])}]" if line.get("request_id") else ""
    print(f"{tables.clock(line['at'])}  {level}  {tables.plain(line['message'])}{request}")
