"""The document: routes with what stands at their handlers, and the operations of one route."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

from mme.gateway.openapi.describing import JSON, Description, description_of
from mme.gateway.openapi.schemas import SCHEMAS, ref
from mme.gateway.openapi.service_shapes import header_parameters
from mme.gateway.scopes import scope_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mme.access.caller import Scope
    from mme.gateway.openapi.describing import Parameter, Schema
    from mme.gateway.routing import Route

VERSION = "3.1.0"
NAMED = re.compile(r"\{(\w+)(\.\.\.)?\}")
RAISED = re.compile(r"\s*\bRaises [A-Z][^.]*\.")
"""What a docstring says to those who read the code."""
ERROR_HEADER = "x-amzn-ErrorType"
FAILURES = {
    400: "What was sent cannot be used; the message names what and why.",
    401: "Nobody is named who may do this.",
    403: "Whoever is named may not do this.",
    404: "There is no such thing.",
    405: "Not by this method.",
    409: "Not while it is as it is.",
    413: "The body is larger than it may be.",
    415: "The body is of no kind that is taken here.",
    417: "`Expect` has something other than `100-continue`.",
    424: "The model has failed; the answer has its own status and message.",
    429: "Not yet, or too often.",
    500: "Nobody foresaw it; the log has a trace.",
    504: "The model has not answered in time.",
    507: "There is not enough memory for the model.",
    503: "There is no room for one more now.",
    530: "The store does not answer.",
}
ANY_ROUTE = (400, 401, 403, 417, 429, 500, 503)
"""What any request may meet."""


def document_of(
    routes: Iterable[Route],
    version: str,
    more_schemas: Mapping[str, Schema] | None = None,
) -> dict[str, Any]:
    """The description of these routes. Raises LookupError for a route that is not described."""
    paths: dict[str, dict[str, Any]] = {}
    for method, path, handler in sorted(routes, key=lambda route: (route[1], route[0])):
        operation = _operation(path, handler, scope_of(method, path))
        paths.setdefault(NAMED.sub(r"{\1}", path), {})[method.lower()] = operation
    return {
        "openapi": VERSION,
        "info": {
            "title": "mme, a multi-model endpoint",
            "version": version,
            "description": "SageMaker's runtime and control plane, and management of models."
            " Target models may have slashes in a path: each stands for itself, or as %2F.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": {**SCHEMAS, **(more_schemas or {})},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "signature": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "AWS Signature Version 4",
                },
            },
        },
        "security": [{}, {"token": []}, {"signature": []}],
    }


def _operation(path: str, handler: Any, scope: Scope | None) -> dict[str, Any]:
    said = description_of(handler)
    summary, _, more = RAISED.sub("", inspect.getdoc(handler) or "").partition("\n")
    details = " ".join(f"{more} {said.details}".split())
    operation: dict[str, Any] = {
        "operationId": f"{handler.__self__.__class__.__name__}.{handler.__name__}",
        "summary": summary,
    }
    needs = "Open to anybody." if scope is None else f"Scope: {scope.value}."
    operation["description"] = f"{details} {needs}".strip()
    if said.tag:
        operation["tags"] = [said.tag]
    parameters = [_named(name) for name, _ in NAMED.findall(path)]
    given = [*said.parameters, *(header_parameters(said.operation) if said.operation else ())]
    parameters += [_parameter(each) for each in given]
    if parameters:
        operation["parameters"] = parameters
    if said.body is not None:
        content = {media: {"schema": said.body.schema} for media in said.body.media}
        operation["requestBody"] = {"required": said.body.is_required, "content": content}
    operation["responses"] = _responses(said, has_path=bool(NAMED.search(path)))
    return operation


def _responses(said: Description, *, has_path: bool) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for result in said.results:
        answer: dict[str, Any] = {"description": result.meaning}
        if result.schema is not None:
            answer["content"] = {media: {"schema": result.schema} for media in result.media}
        responses[str(result.status)] = answer
    failures = {*ANY_ROUTE, *said.failures, *((404,) if has_path else ())}
    for status in sorted(failures - {result.status for result in said.results}):
        content = {JSON: {"schema": ref("Error")}}
        if said.failure is not None and said.failure.schema is not None:
            content |= {media: {"schema": said.failure.schema} for media in said.failure.media}
        responses[str(status)] = {
            "description": FAILURES[status],
            "headers": {ERROR_HEADER: {"schema": {"type": "string"}}},
            "content": content,
        }
    return responses


def _named(name: str) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1, "maxLength": 1024}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.is_required,
        "description": parameter.meaning,
        "schema": parameter.schema,
    }
