"""The SageMaker Runtime surface: invocations of a target model.

`POST /endpoints/{EndpointName}/invocations` as boto3 sends it, and `POST /invocations` as the
SageMaker SDK's local mode does. Answers with the model's body as it is; what can go wrong is in
`service_errors.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mme.core.pipeline_key import in_short
from mme.core.steps import steps_of
from mme.core.terms import Terms
from mme.gateway.headers import (
    CONTENT_TYPE,
    SAMPLE,
    TARGET,
    TARGET_CONTAINER,
    TARGET_VARIANT,
    VARIANT,
    passed_back,
    passed_on,
    printable,
    step_headers,
    target_in,
    version_headers,
)
from mme.gateway.openapi import Body, Result, described
from mme.gateway.openapi.describing import ANY_KIND, MODEL_FAILURES, RUNTIME
from mme.gateway.reply import Reply, is_success
from mme.gateway.retries import Retries
from mme.gateway.service_errors import model_error_of
from mme.gateway.service_model import InvocationChecks

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from mme.core.answer import Answer
    from mme.core.settings import Settings
    from mme.endpoints.serving import Chosen, Serving
    from mme.gateway.exchange import Call
    from mme.gateway.routing import Route


class Runtime:
    """Handlers of the invocation routes."""

    def __init__(
        self, settings: Settings, serving: Serving, is_sample: Callable[[str], bool]
    ) -> None:
        """`is_sample`: whether a model, as the engine calls it, is one of the shipped samples."""
        self._max_body_bytes = settings.max_body_bytes
        self._serving = serving
        self._is_sample = is_sample
        self._checks = InvocationChecks()
        self._retries: Retries[tuple[Chosen, Answer]] = Retries()

    def routes(self) -> list[Route]:
        """The routes of this surface."""
        return [
            ("POST", "/endpoints/{endpoint}/invocations", self.invoke_endpoint),
            ("POST", "/invocations", self.invoke),
        ]

    @described(
        Result("The model's answer.", {}, ANY_KIND),
        body=Body({}, ANY_KIND, is_required=False),
        failures=MODEL_FAILURES,
        operation="InvokeEndpoint",
        tag=RUNTIME,
    )
    async def invoke_endpoint(self, call: Call) -> web.Response:
        """InvokeEndpoint."""
        self._checks.check_name(call.name)
        return await self.invoke(call)

    @described(
        Result("The model's answer.", {}, ANY_KIND),
        body=Body({}, ANY_KIND, is_required=False),
        failures=MODEL_FAILURES,
        operation="InvokeEndpoint",
        tag=RUNTIME,
    )
    async def invoke(self, call: Call) -> web.Response:
        """InvokeEndpoint without an endpoint name. Nothing of a body is read if the head is off."""
        given = call.request.headers
        target = target_in(given)
        self._checks.check_headers(given)
        self._serving.check_real_time(call.name)
        variant, container = given.get(TARGET_VARIANT), given.get(TARGET_CONTAINER)
        chosen = self._serving.choose(call.name, target, variant, container)
        asked = call.asks(in_short(chosen.key))
        body = await call.body(self._max_body_bytes)
        headers = passed_on(given)
        if target is not None:
            headers[str(TARGET)] = printable(target)

        terms = Terms(request_id=call.request_id)

        async def ask() -> tuple[Chosen, Answer]:
            return chosen, await self._serving.invoke(chosen, headers, body, terms)

        identity = (call.name, variant, container, headers)
        chosen, answer = await self._retries.answer(given, identity, body, ask)
        asked.answered(answer)
        if not is_success(answer):
            call.note = f"{answer.who} answered {answer.status}"
            refused = model_error_of(answer)
            refused.headers.update(version_headers(chosen, answer.target, answer.version))
            return refused
        returned = passed_back(answer)
        returned.setdefault(CONTENT_TYPE, "")
        returned[VARIANT] = chosen.variant
        returned.update(version_headers(chosen, answer.target, answer.version))
        returned.update(step_headers(steps_of(answer)))
        if self._is_sample(answer.target or chosen.key):
            returned[SAMPLE] = "true"
        return Reply(answer.status, returned, answer.body)
