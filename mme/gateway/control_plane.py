"""The control-plane surface: operations of SageMaker and its scaling, named by a header.

`POST /` with `X-Amz-Target: SageMaker.CreateModel` and a request in JSON (the protocol that AWS
calls JSON 1.1), as boto3 and the AWS command line send it. Which operations there are comes in as a
table; a request is looked at here, so an operation gets none that the service would not take.
"""

from __future__ import annotations

import asyncio
import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from aiohttp import hdrs, web
from botocore.loaders import Loader
from botocore.model import ServiceModel

from mme.core.errors import InvalidRequest, PayloadTooLarge, StateUnavailable
from mme.endpoints.arns import REGION
from mme.endpoints.operation import ControlPlaneError
from mme.gateway.openapi import Body, Parameter, Result, described
from mme.gateway.openapi.describing import JSON
from mme.gateway.openapi.schemas import ref
from mme.gateway.openapi.service_shapes import operation_schemas
from mme.gateway.routing import NoSuchPath
from mme.gateway.shapes import checked, on_the_wire
from mme.gateway.sites import Forbidden, check_origin

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from botocore.model import OperationModel, StructureShape

    from mme.endpoints.operation import Operation
    from mme.gateway.exchange import Call
    from mme.gateway.openapi.describing import Schema
    from mme.gateway.routing import Route

SERVICES = {"SageMaker": "sagemaker", "AnyScaleFrontendService": "application-autoscaling"}
"""How requests name a service, and how botocore does."""
OPERATION_SCHEMA, REQUEST_SCHEMA = "ControlPlaneOperation", "ControlPlaneRequest"
ANSWER_SCHEMA = "ControlPlaneAnswer"
OPERATION_HEADER = "X-Amz-Target"
JSON_TYPE = "application/x-amz-json-1.1"
JSON_TYPES = (JSON_TYPE, "application/x-amz-json-1.0", "application/json")
BODY_LIMIT_BYTES = 256 * 1024
"""A model's environment may take 32 KiB; a request is looked at between other requests."""
SHOWN_CHARS = 100
SCOPE = re.compile(r"Credential=[^/,\s]{1,128}/\d{8}/([a-z0-9\-]{1,40})/", re.ASCII)
UNKNOWN = "UnknownOperationException"
LOGS = "Logs_20140328"
"""CloudWatch Logs. SageMaker's SDK looks there for a job's lines, unless it is told not to."""
UNAVAILABLE = "ServiceUnavailable"
STATUS = {"AccessDeniedException": 403, UNAVAILABLE: 503}
"""Of the others it is 400."""
COMPONENTS = (
    "inference components are not served here: an endpoint serves models by TargetModel, which"
    " share its workers and memory"
)


class RequestRefused(ControlPlaneError):
    """A request that the service's model does not allow; the message may quote it."""

    @property
    def for_log(self) -> str:
        """Without the body."""
        return self.code


class ControlPlaneSurface:
    """The handler of `POST /`."""

    def __init__(self, operations: Mapping[str, Operation], region: str | None) -> None:
        """`operations` by the services' names; `region` is for requests that name none."""
        self._operations = operations
        self._region = region
        self._under_way: set[asyncio.Future[dict[str, Any]]] = set()

    def schemas(self) -> dict[str, Schema]:
        """What the bodies of operations are, for the description of the interface."""
        models = {
            f"{prefix}.{name}": _service(service).operation_model(name)
            for prefix, service in SERVICES.items()
            for name in sorted(self._operations)
            if name in _service(service).operation_names
        }
        named, parts = operation_schemas(models)
        answers = [said["answer"] for said in named.values() if "answer" in said]
        return {
            # OpenAPI cannot say which body goes with which value of a header; this does.
            OPERATION_SCHEMA: {"type": "string", "enum": list(named), "x-operations": named},
            REQUEST_SCHEMA: {"anyOf": [said["request"] for said in named.values()]},
            ANSWER_SCHEMA: {"anyOf": answers},
            **parts,
        }

    def routes(self) -> list[Route]:
        """The routes of this surface."""
        return [("POST", "/", self.handle)]

    @described(
        Result("What the operation answers, if it does.", ref(ANSWER_SCHEMA), (JSON_TYPE,)),
        parameters=(
            Parameter(OPERATION_HEADER, "The operation.", ref(OPERATION_SCHEMA), "header"),
        ),
        body=Body({"$ref": f"#/components/schemas/{REQUEST_SCHEMA}"}, (JSON, JSON_TYPE)),
        failures=(404, 413),
        failure=Result("", ref("ServiceError"), (JSON_TYPE,)),
        tag="control plane",
        details="Which request and answer an operation has is in `x-operations` of the header's"
        " schema. Operations that only read need the scope read.",
    )
    async def handle(self, call: Call) -> web.Response:
        """Any operation."""
        try:
            return await self._handle(call)
        except InvalidRequest as error:
            raise RequestRefused("ValidationException", error.message) from None
        except Forbidden as error:
            raise ControlPlaneError("AccessDeniedException", error.message) from None
        except StateUnavailable as error:
            raise ControlPlaneError(UNAVAILABLE, error.message) from error

    async def _handle(self, call: Call) -> web.Response:
        headers = call.request.headers
        if OPERATION_HEADER not in headers:
            raise NoSuchPath("/")
        check_origin(headers)
        _check_type(headers)
        named = headers.get(OPERATION_HEADER, "")
        call.note = named[:SHOWN_CHARS]
        model, operation = self._operation(named)
        try:
            body = await call.body(BODY_LIMIT_BYTES)
        except PayloadTooLarge as error:
            raise PayloadTooLarge(error.limit_bytes, "a request to the control plane") from None
        request, problems = checked(cast("StructureShape", model.input_shape), _parsed(body))
        if problems:
            raise RequestRefused("ValidationException", problems)
        answer = await self._whole(operation(request), self._region_of(headers))
        return _json(on_the_wire(answer) if model.output_shape is not None else None)

    async def _whole(self, operation: Awaitable[dict[str, Any]], region: str) -> dict[str, Any]:
        """The answer; an operation whose client goes meanwhile is not left half done."""
        token = REGION.set(region)
        try:
            task = asyncio.ensure_future(operation)
        finally:
            REGION.reset(token)
        self._under_way.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    def _done(self, task: asyncio.Future[dict[str, Any]]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # somebody has seen it now, if its client has gone

    def _operation(self, named: str) -> tuple[OperationModel, Operation]:
        prefix, _, name = named.partition(".")
        shown = named[:SHOWN_CHARS]
        if "InferenceComponent" in name:
            raise ControlPlaneError(UNKNOWN, f"{shown!r} cannot be done: {COMPONENTS}")
        if prefix == LOGS:
            raise ControlPlaneError(
                "ResourceNotFoundException",
                "There are no log groups here: what is logged is on the endpoint's standard error",
            )
        operation = self._operations.get(name)
        if prefix not in SERVICES or operation is None:
            raise ControlPlaneError(UNKNOWN, f"The operation {shown!r} is not served here")
        service = _service(SERVICES[prefix])
        if name not in service.operation_names:
            raise ControlPlaneError(UNKNOWN, f"The service has no operation {shown!r}")
        return service.operation_model(name), operation

    def _region_of(self, headers: Mapping[str, str]) -> str:
        found = SCOPE.search(headers.get(hdrs.AUTHORIZATION, ""))
        return found[1] if found else self._region or REGION.get()


@cache
def _service(name: str) -> ServiceModel:
    """A service's model, read at first use: it has megabytes."""
    return ServiceModel(Loader().load_service_model(name, "service-2"), name)


def control_plane_error(error: ControlPlaneError) -> web.Response:
    """The answer for an error, of which clients make the class that `code` names."""
    content = {"__type": error.code, "message": error.message}
    return _json(content, STATUS.get(error.code, 400))


def _json(content: object, status: int = 200) -> web.Response:
    body = b"" if content is None else json.dumps(content, allow_nan=False).encode()
    return web.Response(status=status, headers={hdrs.CONTENT_TYPE: JSON_TYPE}, body=body)


def _check_type(headers: Mapping[str, str]) -> None:
    """Raise RequestRefused unless the body is said to be JSON, which no form can say."""
    given = headers.get(hdrs.CONTENT_TYPE, "")
    if given.partition(";")[0].strip().lower() not in JSON_TYPES:
        raise RequestRefused(
            "ValidationException",
            f"The Content-Type is {given[:SHOWN_CHARS]!r}; send {JSON_TYPE}",
        )


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body or b"{}", parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise RequestRefused("SerializationException", "The body is not JSON") from None
    if not isinstance(content, dict):
        raise RequestRefused("SerializationException", "The body is not a JSON object")
    return cast("dict[str, Any]", content)


def _no_number(word: str) -> None:
    raise ValueError(f"JSON has no {word}")
