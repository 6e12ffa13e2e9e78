"""Between a platform and the model server: what goes through as it is, in both directions.

For containers, where the platform gives answers their final form; the standalone gateway's own are
in `runtime.py` and `errors.py`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aiohttp import web

from mme.gateway.runtime import CUSTOM_ATTRIBUTES, PASSED_ON
from mme.mms import NO_ANSWER

if TYPE_CHECKING:
    from mme.core.errors import ModelFailed
    from mme.mms import MmsAnswer

PING_TIMEOUT_S = 1.5
"""The platform gives up after two seconds."""


def passed_on(request: web.Request) -> dict[str, str]:
    """The headers a model sees."""
    return {name: request.headers[name] for name in PASSED_ON if name in request.headers}


def answer_of(answer: MmsAnswer) -> web.Response:
    """What the model answered."""
    given = {
        name: answer.headers[name]
        for name in ("Content-Type", CUSTOM_ATTRIBUTES)
        if name in answer.headers
    }
    return web.Response(status=answer.status, headers=given, body=answer.body)


def failure(error: ModelFailed) -> web.Response:
    """A model that gave no answer of its own, or could not be loaded for a reason it gave."""
    if error.status == NO_ANSWER:
        return problem(502, "ModelFailed", error.body)
    try:
        is_told = isinstance(json.loads(error.body), dict)
    except ValueError:
        is_told = False
    if not is_told:
        return problem(error.status, "ModelFailed", error.body)
    text = error.body.encode("utf-8", "replace")
    return web.Response(status=error.status, body=text, content_type="application/json")


def problem(status: int, kind: str, message: str) -> web.Response:
    """An error in the form workers give theirs."""
    body = {"type": kind, "message": message, "status": status}
    return web.Response(status=status, text=json.dumps(body), content_type="application/json")
