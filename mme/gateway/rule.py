"""What a request of one route wants, and what it names: the scope, the endpoint, the target model.

As the handlers of the routes read it, so that nobody is let in for one model and asks another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mme.core.json_text import json_object
from mme.gateway.control_plane import BODY_LIMIT_BYTES, OPERATION_HEADER
from mme.gateway.headers import target_in, target_named
from mme.gateway.open_inference.names import MODELS as OPEN_INFERENCE_MODELS
from mme.gateway.open_inference.names import divided
from mme.gateway.scopes import INVOKE, MANAGE, scope_of_operation, surface_of

if TYPE_CHECKING:
    from mme.access.caller import Caller, Scope
    from mme.gateway.exchange import Call
    from mme.gateway.scopes import Surface

ASYNC = "/async-invocations"
ENDPOINTS, MODELS = "/endpoints/", "/models"


class Rule:
    """Of one route that is not open."""

    __slots__ = ("_form", "_method", "scope", "surface")

    def __init__(self, method: str, form: str, scope: Scope) -> None:
        self._method = method
        self._form = form
        self.scope = scope
        """The route's; a request may want less."""
        self.surface: Surface = surface_of(method, form)

    def scope_of(self, call: Call) -> Scope:
        """What the request wants."""
        if self.surface == "control plane":
            return scope_of_operation(call.request.headers.get(OPERATION_HEADER, ""))
        return self.scope

    def is_once(self, call: Call) -> bool:
        """Whether doing it twice is not as doing it once."""
        scope = self.scope_of(call)
        return scope is MANAGE or (self._method == "POST" and self._form.endswith(ASYNC))

    def endpoint_of(self, call: Call) -> str | None:
        """The endpoint that is named, if one is."""
        return call.name if self._form.startswith(ENDPOINTS) else None

    async def target_of(self, call: Call, caller: Caller) -> str | None:
        """The target model that is named, if one is. Raises EndpointError."""
        if not caller.targets:
            return None
        if self._form.startswith(MODELS):
            return call.name or await _target_in_body(call, self._method)
        if self._form.startswith(OPEN_INFERENCE_MODELS):
            return divided(call.name)[0] or None
        if self.scope is not INVOKE or self._method != "POST":
            return None
        headers = call.request.headers
        # As the handlers do: InvokeEndpoint has a parameter for it, the others have not.
        return target_in(headers) if self._form.endswith("/invocations") else target_named(headers)


async def _target_in_body(call: Call, method: str) -> str | None:
    if method != "POST":
        return None
    content = json_object(await call.body(BODY_LIMIT_BYTES)) or {}
    target = content.get("target_model")
    return target if isinstance(target, str) else None
