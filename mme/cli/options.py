"""Options and arguments that several commands share, with what completes them in a shell."""

from __future__ import annotations

import contextlib
from typing import Annotated, TypeAlias

import typer

from mme.cli.client import (
    TIMEOUT_S,
    BadAddress,
    Endpoint,
    EndpointUnreachable,
    Refused,
    endpoint_url,
)
from mme.core.command_options import argument, option

LONG_S = 600.0
"""For what waits for a model; an endpoint's own limits are shorter, and to be heard of."""
COMPLETION_S = 0.5
"""How long a shell waits for names."""
MOST_NAMES = 100


def complete_target(ctx: typer.Context, incomplete: str) -> list[str]:
    """Target models that begin so; none where the endpoint does not answer quickly."""
    names: list[str] = []
    with contextlib.suppress(BadAddress, EndpointUnreachable, Refused, KeyError, TypeError):
        endpoint = Endpoint(
            endpoint_url(ctx.params.get("endpoint")),
            ctx.params.get("token") or "",
            timeout_s=COMPLETION_S,
        )
        found = endpoint.get("/models", prefix=incomplete, limit=MOST_NAMES)
        names = [model["target_model"] for model in found["models"]]
    return names


TargetArgument: TypeAlias = Annotated[
    str,
    argument("TARGET", "the target model, as de/DocSim.tar.gz", autocompletion=complete_target),
]
TargetsArgument: TypeAlias = Annotated[
    list[str],
    argument("TARGET", "target models, as de/DocSim.tar.gz", autocompletion=complete_target),
]
EndpointOption: TypeAlias = Annotated[
    str | None,
    option(
        "--endpoint",
        "URL",
        "the endpoint to ask: http://HOST:PORT or unix:///PATH"
        " (default: MME_ENDPOINT, else this machine's, at MME_SOCKET or MME_PORT)",
    ),
]
TokenOption: TypeAlias = Annotated[
    str | None,
    option(
        "--token",
        "TOKEN",
        "bearer token, if the endpoint wants one; a variable is not seen by others",
        envvar="MME_TOKEN",
    ),
]
JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="print JSON")]
FollowOption: TypeAlias = Annotated[
    bool, typer.Option("--follow", "-f", help="go on printing what comes, until Ctrl-C")
]


def endpoint_of(
    endpoint: str | None, token: str | None, *, timeout_s: float = TIMEOUT_S
) -> Endpoint:
    """The endpoint that is meant. Raises BadAddress."""
    return Endpoint(endpoint_url(endpoint), token or "", timeout_s=timeout_s)
