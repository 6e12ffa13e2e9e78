"""A handler without families, for the worker contract: models are words, loading is a look."""

from __future__ import annotations

import json

from mme.prefork.residents import RESIDENTS
from models.errors import ArtifactError


def handle(data, context):
    if data is None:
        return None
    return [_answer(item, context, index) for index, item in enumerate(data)]


def _answer(item, context, index):
    name = context.get_request_header(index, "X-Mme-Model")
    context.set_response_content_type(index, "text/plain")
    try:
        model = RESIDENTS.get(name, lambda: _loaded(name))
    except ArtifactError as error:
        context.set_response_status(error.status, error.type, index)
        return json.dumps({"type": error.type, "message": error.message, "status": error.status})
    body = f"ok {model} {len(item['body'])}".encode()
    if name.startswith(("parts", "broken")):
        return _pieces(body, breaks=name.startswith("broken"))
    return body


def _loaded(name):
    if name.startswith("bad"):
        raise ArtifactError("params.json", "bad")
    return name


def _pieces(body, *, breaks):
    yield body[:4]
    yield body[4:]
    if breaks:
        raise RuntimeError("broken off")
