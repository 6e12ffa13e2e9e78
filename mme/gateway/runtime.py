"""The SageMaker Runtime surface: invocations of a target model.

`POST /endpoints/{EndpointName}/invocations` as boto3 sends it, and `POST /invocations` as the
SageMaker SDK's local mode does. Answers with the model's body as it is; what can go wrong is in
`service_errors.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mme.core.errors import EndpointNotFound
from mme.core.names import check_target
from mme.gateway.headers import (
    CONTENT_TYPE,
    TARGET,
    VARIANT,
    passed_back,
    passed_on,
    printable,
    target_in,
)
from mme.gateway.reply import Reply, is_success
from mme.gateway.service_errors import model_error_of
from mme.gateway.service_model import ONE_VARIANT, InvocationChecks

if TYPE_CHECKING:
    from aiohttp import web

    from mme.core.settings import Settings
    from mme.gateway.engine import Standalone
    from mme.gateway.exchange import Call
    from mme.gateway.routing import Route


class Runtime:
    """Handlers of the invocation routes."""

    def __init__(self, settings: Settings, engine: Standalone) -> None:
        self._endpoint_names = settings.endpoint_names
        self._max_body_bytes = settings.max_body_bytes
        self._engine = engine
        self._checks = InvocationChecks()
        self._good_target = ""
        """The last that was looked at: many requests have the same."""

    def routes(self) -> list[Route]:
        """The routes of this surface."""
        return [
            ("POST", "/endpoints/{endpoint}/invocations", self.invoke_endpoint),
            ("POST", "/invocations", self.invoke),
        ]

    async def invoke_endpoint(self, call: Call) -> web.Response:
        """InvokeEndpoint."""
        self._checks.check_name(call.name)
        if self._endpoint_names and call.name not in self._endpoint_names:
            raise EndpointNotFound(call.name, self._endpoint_names)
        return await self.invoke(call)

    async def invoke(self, call: Call) -> web.Response:
        """InvokeEndpoint without an endpoint name. Nothing of a body is read if the head is off."""
        given = call.request.headers
        target = target_in(given)
        self._checks.check_headers(given)
        if target != self._good_target:
            self._good_target = check_target(target)
        call.note = target
        body = await call.body(self._max_body_bytes)
        headers = passed_on(given)
        headers[str(TARGET)] = printable(target)
        answer = await self._engine.invoke(target, headers, body)
        call.note = f"{target} cold" if answer.cold else f"{target} warm"
        if not is_success(answer):
            return model_error_of(answer)
        returned = passed_back(answer)
        returned.setdefault(CONTENT_TYPE, "")
        returned[VARIANT] = ONE_VARIANT
        return Reply(answer.status, returned, answer.body)
