"""The SageMaker Runtime surface: invocations of a target model.

`POST /endpoints/{EndpointName}/invocations` as boto3 sends it, and `POST /invocations` as the
SageMaker SDK's local mode does. Answers with the model's body as it is; what can go wrong is in
`errors.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from mme.core.errors import EndpointNotFound, InvalidRequest, PayloadTooLarge
from mme.gateway import errors

if TYPE_CHECKING:
    from mme.core.settings import Settings
    from mme.residency import Residency

TARGET = "X-Amzn-SageMaker-Target-Model"
VARIANT = "x-Amzn-Invoked-Production-Variant"
CUSTOM_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
# What SageMaker lets through to a container; everything else stays here.
PASSED_ON = ("Content-Type", "Accept", CUSTOM_ATTRIBUTES)
FIRST_ERROR = 400


class Runtime:
    """Handlers of the invocation routes."""

    def __init__(self, settings: Settings, residency: Residency) -> None:
        self._settings = settings
        self._residency = residency

    def routes(self) -> list[web.RouteDef]:
        """The routes of this surface."""
        return [
            web.post("/endpoints/{endpoint}/invocations", self.invoke_endpoint),
            web.post("/invocations", self.invoke),
        ]

    async def invoke_endpoint(self, request: web.Request) -> web.Response:
        """InvokeEndpoint."""
        endpoint, allowed = request.match_info["endpoint"], self._settings.endpoint_names
        if allowed and endpoint not in allowed:
            raise EndpointNotFound(endpoint, allowed)
        return await self.invoke(request)

    async def invoke(self, request: web.Request) -> web.Response:
        """InvokeEndpoint without an endpoint name."""
        target = target_of(request)
        body = await read_body(request, self._settings.max_body_bytes)
        headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
        headers[TARGET] = printable_header(target)
        answer = await self._residency.invoke(target, headers, body)
        request["outcome"] = f"{target} {'cold' if answer.cold else 'warm'}"
        if answer.status >= FIRST_ERROR:
            return errors.model_error_of(answer)
        given = {VARIANT: "AllTraffic", "Content-Type": answer.content_type or ""}
        if answer.custom_attributes is not None:
            given[CUSTOM_ATTRIBUTES] = answer.custom_attributes
        return web.Response(status=answer.status, headers=given, body=answer.body)


def target_of(request: web.Request) -> str:
    """The target model a request names; raises InvalidRequest if it names none."""
    raw = request.headers.get(TARGET)
    if raw is None:
        raise InvalidRequest(
            f"This is a multi-model endpoint: name a target model in the header {TARGET}"
            " (TargetModel in boto3)"
        )
    try:
        raw.encode("utf-8")
    except UnicodeEncodeError:
        # Clients built on http.client send Latin-1, which is not valid UTF-8.
        return raw.encode("utf-8", "surrogateescape").decode("latin-1")
    return raw


def printable_header(value: str) -> str:
    """`value` for a header towards the model server, which takes ASCII only."""
    return value.encode("ascii", "backslashreplace").decode("ascii")


async def read_body(request: web.Request, limit_bytes: int) -> bytes:
    """The whole body; raises PayloadTooLarge without reading on."""
    if (request.content_length or 0) > limit_bytes:
        raise PayloadTooLarge(limit_bytes)
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if size > limit_bytes:
            raise PayloadTooLarge(limit_bytes)
        chunks.append(chunk)
    return b"".join(chunks)
