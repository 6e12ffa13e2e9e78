"""The screen of `mme top`: lines made of what is known of an endpoint. Pure.

From top to bottom what people ask first: is it healthy, how much room is left, what does it do,
which model takes how much, what happened last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from mme.cli.tables import NOTHING, clock, milliseconds, plain, size

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rich.console import RenderableType

    from mme.cli.top_reading import Known, Seen

BAR_CHARS = 30
FULL, SHORT = 0.95, 0.8
EVENT_LINES = 6
OTHER_LINES = 12
"""Lines of a screen that are neither models nor events."""
LEAST_MODELS = 3
MINUTE, HOUR, DAY = 60, 3600, 86400
HELP = "q quit   s sort (m memory, u use, l latency, e errors, n name)   up/down scroll"


@dataclass(frozen=True, slots=True)
class Order:
    """One order of models."""

    key: str
    """What is pressed for it."""
    name: str
    rank: Callable[[str, Known], tuple[Any, ...]]


def _number(known: Known, name: str) -> float:
    found = known.model.get(name)
    return found if isinstance(found, int | float) else 0.0


ORDERS = (
    Order("m", "memory", lambda target, known: (-_number(known, "memory_bytes"), target)),
    Order(
        "u", "use", lambda target, known: (-known.per_s, -_number(known, "invocations"), target)
    ),
    Order("l", "latency", lambda target, known: (-_number(known, "p99_ms"), target)),
    Order(
        "e",
        "errors",
        lambda target, known: (
            -_number(known, "errors"), "last_error" not in known.model, target,
        ),
    ),
    Order("n", "name", lambda target, _: (target,)),
)  # fmt: skip
SORTS = {order.name: order for order in ORDERS}
USUAL = "use"


def order_after(name: str, key: str) -> str:
    """The order that a key leads to from the one called `name`."""
    if key == "s":
        names = list(SORTS)
        return names[(names.index(name) + 1) % len(names)]
    return next((order.name for order in ORDERS if order.key == key), name)


def in_order(seen: Seen, name: str) -> list[tuple[str, Known]]:
    """The models in one of the orders."""
    return sorted(seen.models.items(), key=lambda pair: SORTS[name].rank(*pair))


def screen(seen: Seen, sort: str, offset: int, height: int) -> Group:
    """All of it, in so many lines."""
    events = list(seen.events)[-EVENT_LINES:]
    room = max(LEAST_MODELS, height - OTHER_LINES - len(events))
    models = in_order(seen, sort)
    shown = models[offset : offset + room]
    below = f"{offset + 1}-{offset + len(shown)} of {len(models)} by {sort}" if shown else ""
    return Group(
        *head(seen),
        Text(""),
        table(shown),
        Text(below, "dim"),
        *(event_line(each) for each in events),
        Text(HELP, "dim", no_wrap=True, overflow="crop"),
    )


def head(seen: Seen) -> Sequence[RenderableType]:
    """Health, room, work."""
    status = seen.status
    health = status.get("health", {})
    is_ready = bool(health.get("ready"))
    first = Text(no_wrap=True, overflow="ellipsis")
    first.append("ready" if is_ready else "not ready", "bold green" if is_ready else "bold red")
    if reason := health.get("reason"):
        first.append(f": {plain(reason)}", "red")
    first.append(
        f"  {plain(seen.url)}  up {duration(status.get('uptime_s'))}"
        f"  {plain(status.get('mode', ''))} {plain(status.get('version', ''))}"
    )
    return [first, *_store(seen), *_rooms(status), *_work(status)]


def table(models: Sequence[tuple[str, Known]]) -> Table:
    """A row for each."""
    rows = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", expand=True)
    rows.add_column("TARGET MODEL", no_wrap=True, overflow="ellipsis", ratio=3)
    for name in ("MEMORY", "ASKED", "/S", "NOW", "P50", "P99", "ERRORS"):
        rows.add_column(name, justify="right", no_wrap=True)
    rows.add_column("STATE", no_wrap=True, overflow="ellipsis", ratio=2)
    for target, known in models:
        model = known.model
        rows.add_row(
            Text(plain(target), "bold" if model.get("in_flight") else ""),
            size(model.get("memory_bytes")) or NOTHING,
            str(model.get("invocations", 0)),
            f"{known.per_s:.1f}" if known.per_s else NOTHING,
            str(model.get("in_flight", 0) or NOTHING),
            milliseconds(model.get("p50_ms")) or NOTHING,
            milliseconds(model.get("p99_ms")) or NOTHING,
            str(model.get("errors", 0) or NOTHING),
            _state(model),
        )
    return rows


def event_line(event: Mapping[str, Any]) -> Text:
    """One event on one line."""
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f"{clock(event.get('at'))}  ", "dim")
    kind = str(event.get("kind", ""))
    is_bad = kind.endswith("failed") or kind in ("worker_died", "isolated", "alias_refused")
    line.append(f"{plain(kind):<14}  ", "red" if is_bad else "cyan")
    return line.append(plain(event.get("message", "")))


def duration(seconds: object) -> str:
    """A time that has passed, in its two largest units."""
    if not isinstance(seconds, int | float):
        return NOTHING
    whole = int(seconds)
    if whole >= DAY:
        return f"{whole // DAY} d {whole % DAY // HOUR} h"
    if whole >= HOUR:
        return f"{whole // HOUR} h {whole % HOUR // MINUTE} min"
    return f"{whole // MINUTE} min {whole % MINUTE} s" if whole >= MINUTE else f"{whole} s"


def bar(used: object, limit: object, mark: object = None) -> Text:
    """How much of a limit is used; `mark`: from where on models leave. "" without a limit."""
    if not (isinstance(used, int | float) and isinstance(limit, int | float) and limit > 0):
        return Text("")
    share = min(1.0, used / limit)
    full = round(share * BAR_CHARS)
    colour = "red" if share >= FULL else "yellow" if share >= SHORT else "green"
    drawn = Text("[").append("#" * full, colour).append("-" * (BAR_CHARS - full), "dim")
    if isinstance(mark, int | float) and 0 < mark < limit:
        at = 1 + min(BAR_CHARS - 1, int(mark / limit * BAR_CHARS))
        drawn = drawn[:at] + Text("|", "bold") + drawn[at + 1 :]
    return drawn.append("]")


def _state(model: Mapping[str, Any]) -> Text:
    said = Text(plain(model.get("state", "ready")), no_wrap=True, overflow="ellipsis")
    if model.get("pinned"):
        said.append(" pinned")
    error = model.get("last_error")
    if isinstance(error, dict):
        said.append(f" {clock(error.get('at'))} {plain(error.get('message', ''))}", "red")
    return said


def _store(seen: Seen) -> Sequence[RenderableType]:
    store = seen.status.get("store", {})
    line = Text(f"store   {plain(store.get('uri', NOTHING))}", no_wrap=True, overflow="ellipsis")
    if store.get("error"):
        line.append(f"  {plain(store['error'])}", "red")
    if not seen.trouble:
        return [line]
    return [line, Text(f"nothing new comes: {plain(seen.trouble)}", "bold red")]


def _rooms(status: Mapping[str, Any]) -> Sequence[RenderableType]:
    memory, tasks, disk = (status.get(name, {}) for name in ("memory", "tasks", "disk"))
    rooms = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    rooms.add_row(
        "memory",
        bar(memory.get("used_bytes"), memory.get("limit_bytes"), memory.get("high_bytes")),
        f"{_of(size(memory.get('used_bytes')), size(memory.get('limit_bytes')))},"
        f" models {size(memory.get('models_bytes')) or NOTHING}",
    )
    limit = tasks.get("limit")
    is_bound = isinstance(limit, int) and limit < 1 << 31
    rooms.add_row(
        "tasks",
        bar(tasks.get("used"), limit if is_bound else None, tasks.get("high")),
        _of(str(tasks.get("used", NOTHING)), str(limit) if is_bound else ""),
    )
    rooms.add_row(
        "disk",
        bar(disk.get("used_bytes"), disk.get("limit_bytes")),
        _of(size(disk.get("used_bytes")), size(disk.get("limit_bytes"))),
    )
    return [rooms]


def _of(used: str, limit: str) -> str:
    return f"{used or NOTHING} of {limit}" if limit else f"{used or NOTHING}, no limit"


def _work(status: Mapping[str, Any]) -> Sequence[RenderableType]:
    asked, queue = status.get("requests", {}), status.get("queue", {})
    workers, models = status.get("workers", {}), status.get("models", {})
    lines = (
        (
            f"requests {asked.get('per_s', 0)}/s"
            f"  p50 {milliseconds(asked.get('p50_ms')) or NOTHING}"
            f"  p99 {milliseconds(asked.get('p99_ms')) or NOTHING}  {asked.get('total', 0)} so far:"
            f" {asked.get('warm', 0)} warm, {asked.get('cold', 0)} cold,"
            f" {asked.get('first', 0)} first,"
            f" {asked.get('errors', 0)} failed"
        ),
        (
            f"queue    {queue.get('waiting', 0)} waiting, {queue.get('in_flight', 0)} in flight"
            f"  workers {workers.get('pool', 0)} pool, {workers.get('own', 0)} own,"
            f" {workers.get('busy', 0)} busy, {status.get('worker_deaths', 0)} died"
            f"{', resting' if workers.get('resting') else ''}"
        ),
        (
            f"models   {models.get('ready', 0)} ready, {models.get('on_disk', 0)} on disk,"
            f" {models.get('downloading', 0)} coming, {models.get('failed', 0)} failed"
            f"  {status.get('loads', 0)} loads, {status.get('evictions', 0)} evictions"
        ),
    )
    return [Text(each, no_wrap=True, overflow="ellipsis") for each in lines]
