"""One asynchronous request as it is queued: what is asked, of which model, where the answer goes.

All that decides about it is fixed when it is accepted: an endpoint that is changed or deleted
meanwhile changes nothing about it. Source: platform facts of InvokeEndpointAsync.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mme.endpoints.serving import AsyncTerms

UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")
MARK_CHARS = 8
"""Of what keeps two requests with the same inference id apart."""


class State(IntEnum):
    """How far a request is; its name is what callers are told."""

    QUEUED = 0
    IN_PROGRESS = 1
    COMPLETED = 2
    FAILED = 3
    EXPIRED = 4

    @property
    def said(self) -> str:
        """As `InProgress`."""
        return "".join(word.capitalize() for word in self.name.split("_"))


@dataclass(frozen=True, slots=True)
class AsyncRequest:
    """What is kept of a request beside its body and its times."""

    endpoint: str
    inference_id: str
    variant: str
    key: str
    """What the engine calls the model."""
    headers: Mapping[str, str]
    """Those the model sees."""
    input_uri: str
    """Empty: the body came with the request."""
    output_uri: str
    failure_uri: str
    timeout_s: float
    content_type: str = ""
    """As the caller gave them, for whoever is told of the end."""
    accept: str = ""
    success_topic: str = ""
    error_topic: str = ""
    responses_in: tuple[str, ...] = ()
    mark: str = ""
    """See `mark_of`."""

    def as_json(self) -> dict[str, Any]:
        """To be kept; `from_json` reads it."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Self:
        """What `as_json` gave."""
        return cls(**{**kept, "responses_in": tuple(kept["responses_in"])})


@dataclass(frozen=True, slots=True)
class Entry:
    """A request in the queue; times are wall clock seconds."""

    number: int
    request: AsyncRequest
    body: bytes | None
    received_at: float
    expires_at: float
    attempts: int
    is_last: bool = False
    """Whether the queue will not give it out once more."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A request as callers may see it."""

    request: AsyncRequest
    state: State
    received_at: float
    expires_at: float
    started_at: float | None
    ended_at: float | None
    attempts: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Places:
    """Where an answer goes, or why there is none."""

    output_uri: str
    failure_uri: str


@dataclass(frozen=True, slots=True)
class Naming:
    """What a caller says of the names of the objects."""

    inference_id: str
    filename: str
    extension: str
    mark: str
    """No two requests have the same."""


def mark_of(call_id: str | None, *parts: str | bytes) -> str:
    """What tells a request from all others, and is the same for a client's retries of one call.

    `call_id` is what the client names all attempts of the call; `parts` are what else is the same.
    """
    if not call_id:
        return str(uuid.uuid4())
    digest = hashlib.sha256()
    for part in (call_id, *parts):
        content = part if isinstance(part, bytes) else part.encode("utf-8", "surrogateescape")
        digest.update(len(content).to_bytes(8))
        digest.update(content)
    return str(uuid.UUID(bytes=digest.digest()[:16], version=4))


def places_of(terms: AsyncTerms, naming: Naming) -> Places:
    """`{prefix}[/{extension}]/{file}`; without a prefix for failures they lie beside outputs.

    The file is the caller's, or derived from the inference id; one that the caller chose may be
    used again, so something of its own is added.
    """
    if naming.filename:
        output, stem = naming.filename, naming.filename.partition(".")[0]
    else:
        stem = naming.mark
        if naming.inference_id:
            stem = f"{UNSAFE.sub('-', naming.inference_id)}-{naming.mark[:MARK_CHARS]}"
        output = f"{stem}.out"
    failures = terms.failure_uri or terms.output_uri
    return Places(
        _joined(terms.output_uri, naming.extension, output),
        _joined(failures, naming.extension, f"{stem}-error.out"),
    )


def _joined(prefix: str, *parts: str) -> str:
    return "/".join((prefix.rstrip("/"), *(part.strip("/") for part in parts if part.strip("/"))))
