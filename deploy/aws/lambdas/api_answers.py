"""What the API's callers are answered: a model's answer, or an error that says whose fault it is.

A model's own refusal (4xx) keeps its status and words. What is wrong behind the API is a 5xx that
tells no names of accounts, roles or logs; those are in the function's log.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from botocore.exceptions import ReadTimeoutError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.exceptions import BotoCoreError, ClientError

MOST_BYTES = 4 * 1024 * 1024
"""Of an answer: a function's may have 6 MB, and bytes take a third more as base64."""
JSON = "application/json"
RETRY_AFTER_S = 5
TOO_OFTEN = 429, "The endpoint is asked too often"
ASK_AGAIN = {
    "ModelNotReadyException": (503, "{} is still being loaded; ask again"),
    "ServiceUnavailable": (503, "The endpoint is busy; ask again"),
    "ThrottlingException": TOO_OFTEN,
    "Throttling": TOO_OFTEN,
    "TooManyRequestsException": TOO_OFTEN,
}
"""What may be otherwise in a moment."""
REFUSALS = range(400, 500)
"""A model's own words, that the caller is to have."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def as_event(self) -> dict[str, object]:
        """As API Gateway takes it (payload format 2.0): text as it is, anything else as base64."""
        if len(self.body) > MOST_BYTES:
            return refusal(
                502,
                f"The model's answer has {len(self.body)} bytes, and {MOST_BYTES} can be passed;"
                " ask the endpoint itself",
            )
        headers = {**self.headers}
        if self.content_type:
            headers["content-type"] = self.content_type
        try:
            text, is_encoded = self.body.decode(), False
        except UnicodeDecodeError:
            text, is_encoded = base64.b64encode(self.body).decode(), True
        return {
            "statusCode": self.status,
            "headers": headers,
            "body": text,
            "isBase64Encoded": is_encoded,
        }


def refusal(status: int, message: str, retry_after_s: int = 0) -> dict[str, object]:
    """An error as JSON: `{"message": "..."}`, as API Gateway's own are."""
    headers = {"retry-after": str(retry_after_s)} if retry_after_s else {}
    body = json.dumps({"message": message}, ensure_ascii=False).encode()
    return Answer(status, body, JSON, headers).as_event()


def answer_to(error: ClientError, target: str) -> dict[str, object]:
    """What an error of InvokeEndpoint becomes."""
    said = error.response
    code = said.get("Error", {}).get("Code", "")
    message = said.get("Error", {}).get("Message", "")
    if code == "ModelError":
        status = int(str(said.get("OriginalStatusCode") or 0))
        words = str(said.get("OriginalMessage") or "")
        if status in REFUSALS:
            return Answer(status, words.encode(), _type_of(words)).as_event()
        return refusal(HTTPStatus.BAD_GATEWAY, f"{target} failed to answer: {words or 'no reason'}")
    if code in ASK_AGAIN:
        status, words = ASK_AGAIN[code]
        return refusal(status, words.format(target), RETRY_AFTER_S)
    if code in ("ValidationError", "ValidationException"):
        return refusal(400, f"The endpoint refuses to ask {target}: {message}")
    return refusal(502, f"The endpoint cannot be asked ({code or 'no reason'})")


def no_answer(error: BotoCoreError, target: str) -> dict[str, object]:
    """What becomes of no answer at all."""
    if isinstance(error, ReadTimeoutError):
        return refusal(504, f"{target} has not answered in time")
    return refusal(502, "The endpoint cannot be reached")


def _type_of(words: str) -> str:
    try:
        json.loads(words)
    except ValueError:
        return "text/plain; charset=utf-8"
    return JSON
