"""Which scope each route has: the one list of what who may.

A route that is not in it stops a start with callers to check: nothing is open by oversight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from mme.access.caller import Scope

if TYPE_CHECKING:
    from collections.abc import Mapping

Surface: TypeAlias = Literal["control plane", "runtime", "plain"]
"""In which form a refusal is answered."""

INVOKE, MANAGE, READ, OPEN = Scope.INVOKE, Scope.MANAGE, Scope.READ, None
SCOPES: Mapping[tuple[str, str], Scope | None] = {
    ("GET", "/ping"): OPEN,
    ("GET", "/livez"): OPEN,
    ("GET", "/readyz"): OPEN,
    # The page itself holds nothing: what it shows it asks for, with the token it is given.
    ("GET", "/"): OPEN,
    ("GET", "/page/{file}"): OPEN,
    ("POST", "/invocations"): INVOKE,
    ("POST", "/endpoints/{endpoint}/invocations"): INVOKE,
    ("POST", "/endpoints/{endpoint}/invocations-response-stream"): INVOKE,
    ("POST", "/endpoints/{endpoint}/async-invocations"): INVOKE,
    ("GET", "/endpoints/{endpoint}/async-invocations"): INVOKE,
    ("GET", "/endpoints/{endpoint}/async-metrics"): READ,
    ("GET", "/models"): READ,
    ("POST", "/models"): MANAGE,
    ("GET", "/models/{target...}"): READ,
    ("DELETE", "/models/{target...}"): MANAGE,
    ("GET", "/models/{target...}/why"): READ,
    ("GET", "/models/{target...}/sample"): READ,
    ("PUT", "/models/{target...}/pin"): MANAGE,
    ("DELETE", "/models/{target...}/pin"): MANAGE,
    ("GET", "/aliases"): READ,
    ("GET", "/status"): READ,
    ("GET", "/events"): READ,
    ("GET", "/logs"): READ,
    ("GET", "/trace"): READ,
    ("GET", "/metrics"): READ,
    ("GET", "/cloudwatch-metrics"): READ,
    ("GET", "/openapi.json"): READ,
    ("POST", "/"): MANAGE,
    ("GET", "/v2/health/live"): OPEN,
    ("GET", "/v2/health/ready"): OPEN,
    # Metadata bring a model to this disk, as an invocation would.
    ("GET", "/v2"): INVOKE,
    ("GET", "/v2/models/{target...}"): INVOKE,
    ("GET", "/v2/models/{target...}/config"): INVOKE,
    ("GET", "/v2/models/{target...}/ready"): INVOKE,
    ("POST", "/v2/models/{target...}/infer"): INVOKE,
    ("POST", "/v2/models/{target...}/generate"): INVOKE,
    ("POST", "/v2/models/{target...}/generate_stream"): INVOKE,
    ("GET", "/v2/models/stats"): READ,
    ("GET", "/v2/models/{target...}/stats"): READ,
    ("POST", "/v2/repository/index"): READ,
    ("POST", "/v2/repository/models/{target...}/load"): MANAGE,
    ("POST", "/v2/repository/models/{target...}/unload"): MANAGE,
    ("GET", "/v2/models/{target...}/trace/setting"): READ,
    ("POST", "/v2/models/{target...}/trace/setting"): MANAGE,
    ("GET", "/v2/{call...}"): READ,
    ("POST", "/v2/{call...}"): MANAGE,
}
"""(method, form of the path) -> scope; None: anybody. Of `POST /` some operations only read."""
READING = ("Describe", "List")
"""How the names of the control plane's operations begin that change nothing."""


class NoScope(LookupError):
    """A route that is not in the list."""


def scope_of(method: str, form: str) -> Scope | None:
    """The scope of a route, None if it is open. Raises NoScope."""
    try:
        return SCOPES[method, form]
    except KeyError:
        raise NoScope(f"{method} {form} is not in mme/gateway/scopes.py") from None


def scope_of_operation(named: str) -> Scope:
    """The scope of an operation of the control plane, as `SageMaker.ListModels`."""
    return READ if named.partition(".")[2].startswith(READING) else MANAGE


def surface_of(method: str, form: str) -> Surface:
    """The surface a route belongs to."""
    if (method, form) == ("POST", "/"):
        return "control plane"
    return "runtime" if form.startswith(("/endpoints/", "/invocations")) else "plain"
