"""`mme why`: the reason for a model's state, in a sentence, and what happened to it last."""

from __future__ import annotations

from mme.cli import tables
from mme.cli.client import model_path
from mme.cli.codes import EXIT_OK
from mme.cli.happenings import print_event
from mme.cli.options import (
    EndpointOption,
    JsonOption,
    TargetArgument,
    TokenOption,
    endpoint_of,
)
from mme.cli.targets import about

EXAMPLES = """\
example:
  mme why de/DocSim.tar.gz"""


def why(
    target: TargetArgument,
    *,
    endpoint: EndpointOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> int:
    """Say why a model is in its state: why it does not load, why it had to leave."""
    asked = endpoint_of(endpoint, token)
    told = about(asked, target, lambda: asked.get(model_path(target, "why")))
    if as_json:
        tables.print_json(told)
        return EXIT_OK
    print(f"{tables.plain(told['state'])}: {tables.plain(told['why'])}")
    for event in told.get("events", ()):
        print_event(event)
    return EXIT_OK
