"""One asynchronous request as a message of SQS. Pure.

A message has all that is needed to execute the request anywhere: the model's name as the engine
has it, the headers it sees, where the answer goes, who is told. What an endpoint cannot read, of
another version or not ours, is a MessageUnreadable.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, fields
from typing import Any

from mme.core.errors import InvalidRequest
from mme.jobs.asynchronous.request import AsyncRequest

VERSION = 1
MOST_BYTES = 256 * 1024
"""What every queue takes, whatever it was set to; a body of 128,000 bytes leaves 89 KiB of it."""
SHOWN_CHARS = 80
UNREADABLE = (
    ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError,
)  # fmt: skip
"""What reading raises, of whatever somebody else has sent."""


class MessageUnreadable(ValueError):
    """A message that is no request of ours; says why."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """What a message holds; times are wall clock seconds of who accepted it."""

    request: AsyncRequest
    body: bytes | None
    received_at: float
    expires_at: float


def written(parcel: Parcel) -> str:
    """As text. Raises InvalidRequest if that is more than SQS takes."""
    body = None if parcel.body is None else base64.b64encode(parcel.body).decode()
    text = json.dumps(
        {
            "version": VERSION,
            "received_at": parcel.received_at,
            "expires_at": parcel.expires_at,
            "request": parcel.request.as_json(),
            "body": body,
        },
        separators=(",", ":"),
    )
    if len(text) > MOST_BYTES:
        raise InvalidRequest(
            f"With its headers the request takes {len(text)} bytes in the queue; {MOST_BYTES} are"
            " allowed. Put the body into S3 and name it as InputLocation"
        )
    return text


def read(text: str) -> Parcel:
    """What `written` gave. Raises MessageUnreadable."""
    try:
        kept: Any = json.loads(text)
        _check_version(kept["version"])
        parcel = Parcel(
            AsyncRequest.from_json(kept["request"]),
            None if kept["body"] is None else base64.b64decode(kept["body"], validate=True),
            float(kept["received_at"]),
            float(kept["expires_at"]),
        )
        _check_kinds(parcel.request)
    except MessageUnreadable:
        raise
    except UNREADABLE as error:
        why = f"{type(error).__name__}: {error}"
        raise MessageUnreadable(
            f"it is no request of an endpoint ({why}): {text[:SHOWN_CHARS]!r}"
        ) from error
    return parcel


def _check_version(version: object) -> None:
    if version != VERSION:
        raise MessageUnreadable(f"it is of version {version!r}, not {VERSION}")


def _check_kinds(request: AsyncRequest) -> None:
    """Whoever may send to the queue may have written anything."""
    words = [getattr(request, each.name) for each in fields(request) if each.type == "str"]
    words += [*request.headers.keys(), *request.headers.values(), *request.responses_in]
    if not all(isinstance(word, str) for word in words) or not float(request.timeout_s) > 0:
        raise TypeError("a member of the request is of another kind")
