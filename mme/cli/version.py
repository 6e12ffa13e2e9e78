"""`mme version`: which version this is, and which one an endpoint runs if one is named."""

from __future__ import annotations

import platform

from mme.cli import tables
from mme.cli.codes import EXIT_OK
from mme.cli.options import EndpointOption, JsonOption, TokenOption, endpoint_of
from mme.core.version import VERSION

EXAMPLES = """\
examples:
  mme version
  mme version --endpoint http://models:8080     the endpoint's too"""


def version(
    *, endpoint: EndpointOption = None, token: TokenOption = None, as_json: JsonOption = False
) -> int:
    """Print the version of this program, and of the endpoint if one is named by --endpoint."""
    told: dict[str, object] = {"mme": VERSION, "python": platform.python_version()}
    if endpoint:
        status = endpoint_of(endpoint, token).get("/status")
        told |= {"endpoint": status.get("version"), "mode": status.get("mode")}
    if as_json:
        tables.print_json(told)
        return EXIT_OK
    print(f"mme {told['mme']} (Python {told['python']})")
    if endpoint:
        print(tables.plain(f"endpoint {told['endpoint']} ({told['mode']})"))
    return EXIT_OK
