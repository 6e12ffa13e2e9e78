"""`mme top`: what an endpoint does, on a terminal while it does it; else once.

What is known is `top_reading`'s, how it looks `top_view`'s; here keys, and when to draw.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.live import Live

from mme.cli.codes import EXIT_OK
from mme.cli.keys import keys_of
from mme.cli.options import EndpointOption, JsonOption, TokenOption, endpoint_of
from mme.cli.tables import print_json
from mme.cli.top_reading import Follower, read_once
from mme.cli.top_view import SORTS, USUAL, in_order, order_after, screen

if TYPE_CHECKING:
    from collections.abc import Callable

    from mme.cli.top_reading import Seen

EXAMPLES = """\
examples:
  mme top
  mme top --sort memory
  mme top --once                      one look, as it is printed into a file too
  mme top --json | jq .status.memory

Keys: q ends it, s takes the next order (m memory, u use, l latency, e errors, n name), up and down
scroll. Models of which there were too many to show are those used longest ago."""
DRAWN_S = 0.5
PAGE = 10
PLAIN_LINES, PLAIN_CHARS = 60, 160
"""Of a screen that goes into a file."""
STEPS = {"up": -1, "down": 1, "k": -1, "j": 1, "page-up": -PAGE, "page-down": PAGE}


def top(
    *,
    sort: Annotated[
        str, typer.Option(metavar="|".join(SORTS), help="which models come first")
    ] = USUAL,
    once: Annotated[bool, typer.Option("--once", help="one look instead of many")] = False,
    endpoint: EndpointOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> int:
    """Show what an endpoint does: health, room, requests, models by use or memory, last events."""
    if sort not in SORTS:
        raise typer.BadParameter(f"{sort!r} is none of {', '.join(SORTS)}", param_hint="--sort")
    asked = endpoint_of(endpoint, token)
    seen = read_once(asked)
    if as_json:
        print_json(as_content(seen, sort))
        return EXIT_OK
    if once or not (sys.stdout.isatty() and sys.stdin.isatty()):
        is_seen = sys.stdout.isatty()
        console = Console(highlight=False, width=None if is_seen else PLAIN_CHARS)
        console.print(screen(seen, sort, 0, console.height if is_seen else PLAIN_LINES))
        return EXIT_OK
    follower = Follower(asked, seen)
    follower.start()
    try:
        with keys_of() as key:
            _live(follower.now, key, sort, Console(highlight=False))
    finally:
        follower.stop()
    return EXIT_OK


def as_content(seen: Seen, sort: str) -> dict[str, object]:
    """The same for programs: what the endpoint said, models in order."""
    models = [known.model for _, known in in_order(seen, sort)]
    return {"endpoint": seen.url, "status": seen.status, "models": models,
            "events": list(seen.events)}  # fmt: skip


def _live(now: Callable[[], Seen], key: Callable[[float], str], sort: str, out: Console) -> None:
    """Draw twice a second, and at each key, until q."""
    offset = 0
    with Live(console=out, screen=True, auto_refresh=False) as live:
        while True:
            seen = now()
            offset = max(0, min(offset, len(seen.models) - 1))
            live.update(screen(seen, sort, offset, out.height), refresh=True)
            pressed = key(DRAWN_S)
            if pressed in ("q", "Q", "\x1b"):
                return
            sort = order_after(sort, pressed)
            offset = 0 if pressed == "home" else offset + STEPS.get(pressed, 0)
