"""The answer to a caller that is not served: in AWS's words where AWS's clients ask.

Whoever sent nothing, or a token that is not known, may send another one: 401, and which kind in
WWW-Authenticate. AWS's clients get 403 for the same, as from the service.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aiohttp import hdrs, web

from mme.access.refusals import Denied, Expired, NoCredentials, Throttled, UnknownCaller
from mme.core.errors import EndpointError
from mme.gateway.headers import ERROR_TYPE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mme.access.refusals import Refusal
    from mme.gateway.scopes import Surface

AWS = "AWS4-"
CONTROL_PLANE_TYPE = "application/x-amz-json-1.1"


class Refused(EndpointError):
    """A refusal, and to whom it is told."""

    def __init__(
        self, refusal: Refusal, surface: Surface, challenge: str, asked: Mapping[str, str]
    ) -> None:
        """`challenge` is for WWW-Authenticate, `asked` the headers of the request."""
        super().__init__(refusal.message)
        self.refusal = refusal
        self.surface = surface
        self.challenge = challenge
        given = asked.get(hdrs.AUTHORIZATION, "")
        self.is_aws = given.startswith(AWS) or (surface != "plain" and not given)
        """Whether a client of AWS sent it, as far as one can see."""


def refused_answer(error: Refused) -> web.Response:
    """The answer."""
    refusal = error.refusal
    headers = {ERROR_TYPE: refusal.code}
    status = 403
    if isinstance(refusal, Throttled):
        status = 429
        headers[hdrs.RETRY_AFTER] = str(refusal.retry_after_s)
    elif isinstance(refusal, NoCredentials | UnknownCaller | Expired) and not error.is_aws:
        status = 401
    if status in (401, 403) and not error.is_aws:
        headers[hdrs.WWW_AUTHENTICATE] = error.challenge + _reason(refusal)
    if error.surface == "control plane":
        headers[hdrs.CONTENT_TYPE] = CONTROL_PLANE_TYPE
        content = {"__type": refusal.code, "message": refusal.message}
    else:
        headers[hdrs.CONTENT_TYPE] = "application/json"
        content = {"Message": refusal.message}
    text = json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")
    return web.Response(status=status, headers=headers, body=text)


def _reason(refusal: Refusal) -> str:
    """Why, in the words of RFC 6750."""
    if isinstance(refusal, Denied):
        scope = f', scope="{refusal.scope}"' if refusal.scope else ""
        return f', error="insufficient_scope"{scope}'
    return "" if isinstance(refusal, NoCredentials) else ', error="invalid_token"'
