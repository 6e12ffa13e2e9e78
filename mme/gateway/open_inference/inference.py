"""The calls of the protocol that a model answers: infer, and Triton's generate.

The body goes to the worker as it came. How much of it is JSON says the protocol in a header of its
own, and what a model sees in the content type, as on SageMaker.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from aiohttp import hdrs, web
from multidict import istr

from mme.core.errors import InvalidRequest
from mme.core.terms import Terms
from mme.gateway.errors import JSON
from mme.gateway.headers import (
    CONTENT_TYPE,
    MODEL_NAME,
    SAMPLE,
    TARGET,
    passed_back,
    printable,
    version_headers,
)
from mme.gateway.open_inference.compressing import LEAST_BYTES, coding_in, compressed
from mme.gateway.open_inference.errors import model_error
from mme.gateway.open_inference.names import target_in
from mme.gateway.openapi import Body, Parameter, Result, described
from mme.gateway.openapi.schemas import ref
from mme.gateway.reply import Reply, is_success

if TYPE_CHECKING:
    from collections.abc import Callable

    from multidict import CIMultiDict

    from mme.core.answer import Answer
    from mme.core.settings import Settings
    from mme.endpoints.serving import Chosen, Serving
    from mme.gateway.exchange import Call
    from mme.gateway.routing import Route

TAG = "open inference"
INFER_TYPE = "application/vnd.sagemaker-triton.binary+json"
GENERATE_TYPE = "application/vnd.mme.generate+json"
JSON_SIZE = ";json-header-size="
HEADER_LENGTH = istr("Inference-Header-Content-Length")
LENGTH = re.compile("[0-9]{1,10}", re.ASCII)
BYTES, EVENTS = "application/octet-stream", "text/event-stream"
FAILURE = Result("What went wrong.", {"anyOf": [ref("InferenceError"), ref("Error")]})
"""The other form where what came was no request, whose path nobody knows then."""
FAILURES = (404, 413, 415, 504, 507)
LENGTH_PARAMETER = Parameter(
    HEADER_LENGTH,
    "How many bytes of the body are JSON, where tensors follow as bytes; 0: the body is the one"
    " input.",
    {"type": "integer", "minimum": 0},
    "header",
)


class Inference:
    """Handlers of the routes."""

    def __init__(
        self, settings: Settings, serving: Serving, is_sample: Callable[[str], bool]
    ) -> None:
        """`is_sample`: whether a model, as the engine calls it, is one of the shipped samples."""
        self._max_body_bytes = settings.max_body_bytes
        self._serving = serving
        self._is_sample = is_sample

    def routes(self) -> list[Route]:
        """The routes of this surface."""
        return [
            ("POST", "/v2/models/{target...}/infer", self.infer),
            ("POST", "/v2/models/{target...}/generate", self.generate),
            ("POST", "/v2/models/{target...}/generate_stream", self.generate_stream),
        ]

    @described(
        Result(
            "The outputs: JSON, followed by those that are wanted as bytes.",
            {},
            (JSON, BYTES),
        ),
        parameters=(LENGTH_PARAMETER,),
        body=Body({}, (JSON, BYTES)),
        failures=FAILURES,
        failure=FAILURE,
        tag=TAG,
    )
    async def infer(self, call: Call) -> web.Response:
        """Outputs for inputs; `/versions/1` may stand after the model's name."""
        headers = call.request.headers
        chosen, answer = await self._asked(call, _content_type(headers.get(HEADER_LENGTH)))
        if not is_success(answer):
            return self._failed(call, chosen, answer)
        returned = self._returned(chosen, answer)
        said, _, json_bytes = answer.headers.get("content-type", "").partition(JSON_SIZE)
        if said == INFER_TYPE and LENGTH.fullmatch(json_bytes):
            returned[HEADER_LENGTH] = json_bytes
            returned[CONTENT_TYPE] = BYTES
        body = answer.body
        coding = coding_in(headers.get(hdrs.ACCEPT_ENCODING, ""))
        if coding and len(body) >= LEAST_BYTES:
            body = await compressed(body, coding)
            returned[hdrs.CONTENT_ENCODING] = coding
        return Reply(answer.status, returned, body)

    @described(
        Result("The text.", ref("Generated")),
        body=Body(ref("Generate")),
        failures=FAILURES,
        failure=FAILURE,
        tag=TAG,
    )
    async def generate(self, call: Call) -> web.Response:
        """A text for a text, of models that make one; other keys are its parameters."""
        chosen, answer = await self._asked(call, GENERATE_TYPE)
        if not is_success(answer):
            return self._failed(call, chosen, answer)
        return Reply(answer.status, self._returned(chosen, answer), answer.body)

    @described(
        Result("One event, whose data are what /generate answers.", {}, (EVENTS,)),
        body=Body(ref("Generate")),
        failures=FAILURES,
        failure=FAILURE,
        tag=TAG,
    )
    async def generate_stream(self, call: Call) -> web.Response:
        """The same as server-sent events."""
        chosen, answer = await self._asked(call, GENERATE_TYPE)
        if not is_success(answer):
            return self._failed(call, chosen, answer)
        returned = self._returned(chosen, answer)
        returned[CONTENT_TYPE] = EVENTS
        return Reply(answer.status, returned, b"data: %b\n\n" % answer.body)

    async def _asked(self, call: Call, content_type: str) -> tuple[Chosen, Answer]:
        target = target_in(call)
        chosen = self._serving.choose("", target)
        asked = call.asks(chosen.key)
        body = await call.body(self._max_body_bytes)
        headers = {
            str(CONTENT_TYPE): content_type,
            str(TARGET): printable(target),
            MODEL_NAME: quote(target, safe="/", errors="replace"),
        }
        terms = Terms(request_id=call.request_id)
        answer = await self._serving.invoke(chosen, headers, body, terms)
        asked.answered(answer)
        return chosen, answer

    def _returned(self, chosen: Chosen, answer: Answer) -> CIMultiDict[str]:
        headers = passed_back(answer)
        headers.setdefault(CONTENT_TYPE, JSON)
        headers.update(version_headers(chosen, answer.target, answer.version))
        if self._is_sample(answer.target or chosen.key):
            headers[SAMPLE] = "true"
        return headers

    def _failed(self, call: Call, chosen: Chosen, answer: Answer) -> web.Response:
        call.note = f"the model answered {answer.status}"
        refused = model_error(answer.status, answer.body)
        refused.headers.update(version_headers(chosen, answer.target, answer.version))
        return refused


def _content_type(header_length: str | None) -> str:
    """What the model is told of how much of the body is JSON. Raises InvalidRequest."""
    if header_length is None:
        return INFER_TYPE
    if not LENGTH.fullmatch(header_length):
        raise InvalidRequest(f"{HEADER_LENGTH} must be a number of bytes, not"
                             f" {header_length[:40]!r}")  # fmt: skip
    return f"{INFER_TYPE}{JSON_SIZE}{int(header_length)}"
