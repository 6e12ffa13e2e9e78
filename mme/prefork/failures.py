"""What is told of an error, and to whom: the caller gets its kind, the log everything.

Two forms: a `ServingError` for what a handler or an admission says in JSON, and the answer the
model server gives in a handler's place (`refusal`), which the door gives in the same words.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from mme.core.door import Answer
from mme.prefork.confinement import GRANTED
from models.errors import InternalError, NoRoom, ServingError

if TYPE_CHECKING:
    from collections.abc import Mapping

JSON = "application/json"


class BrokenOff(Exception):
    """Raised by the pieces of an answer instead of the next one; `body` says why, in JSON."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(status)
        self.answer = Answer(status, {"content-type": JSON}, body.encode("utf-8", "replace"))


def as_serving_error(error: BaseException) -> ServingError:
    """An error meant for the caller's eyes."""
    if isinstance(error, ServingError):
        return error
    if isinstance(error, MemoryError):
        return NoRoom(f"There is not enough memory for this{_bound()}")
    # The text of an unforeseen error may quote internals: it belongs in the log.
    return InternalError(f"An unexpected {type(error).__name__} occurred; the log has the details")


def _bound() -> str:
    """What this process may take, where it has been told."""
    granted = os.environ.get(GRANTED)
    if granted is None:
        return ""
    return f": one request may take {int(granted) >> 20} MiB (MME_REQUEST_MEMORY)"


def error_body(error: ServingError) -> dict[str, object]:
    """Type, message and status of an error, as JSON has them."""
    return {"type": error.type, "message": error.message, "status": error.status_code}


def refusal(status: int, message: str) -> Answer:
    """What the model server (MMS 1.1.11) answers where a handler failed."""
    content = {"code": status, "type": "InternalServerException", "message": message}
    body = json.dumps(content, indent=2, ensure_ascii=False).translate(_GSON_ESCAPES) + "\n"
    return Answer(status, {"content-type": JSON}, body.encode("utf-8", "replace"))


_GSON_ESCAPES: Mapping[int, str] = {
    ord(char): f"\\u{ord(char):04x}" for char in "<>&='\u2028\u2029"
}
"""Gson escapes what would mean something in HTML; none of it is part of JSON's own signs."""
