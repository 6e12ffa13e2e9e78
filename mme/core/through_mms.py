"""How a question and its answer travel through the model server instead of through the door.

What the fields of a `Question` say goes in headers of our own, and so does what an `Answer` says
besides status, headers and body. Callers never send these: the gateway lets none of them in.
The body always goes as bytes, since the model server would parse a form.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from mme.core.door import Answer
from mme.core.steps import STEPS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mme.core.door import Question

MODEL, MODEL_DIR, SCRATCH_DIR = "X-Mme-Model", "X-Mme-Model-Dir", "X-Mme-Scratch-Dir"
CONTENT_TYPE = "X-Mme-Content-Type"
"""The caller's content type; empty if there was none."""
LOAD_ONLY = "X-Mme-Load-Only"
"""Set where the model shall be brought into memory and asked nothing."""
ALLOW_CODE = "X-Mme-Allow-Code"
"""Set where the model is code and the operator has allowed it to run."""
ANSWER_LIMIT = "X-Mme-Answer-Limit-Bytes"
"""The largest answer to this request, where it is another than the worker was told."""
IN_PARTS = "X-Mme-In-Parts"
"""Set where the handler may yield its answer; never through the model server."""
TOGETHER = "X-Mme-Together"
"""Set where the handler may return None for a request that must be asked alone; as IN_PARTS."""
MAY_ASK = "X-Mme-May-Ask"
"""Set where an ensemble may answer with what its steps ask of other target models."""
FOR_LOG = "X-Mme-For-Log"
"""The request's id and target, percent-encoded; never given to a handler."""
LOAD_S, UNLOADABLE, DROPPED = "x-mme-load-s", "x-mme-unloadable", "x-mme-dropped"
OURS = "x-mme-"
"""How names of these headers begin, in lower case."""
PLAIN_BYTES = "application/octet-stream"
CONNECTION = frozenset({"host", "content-length", "connection", "transfer-encoding"})
"""Headers of the connection to the model server: they say nothing of the caller's request."""
HIDDEN = CONNECTION | {FOR_LOG.lower()}


def request_headers(question: Question) -> dict[str, str]:
    """The headers of the request to the model server that carries this question's body."""
    headers = {
        name: value
        for name, value in question.headers.items()
        if name.lower() not in CONNECTION and name.lower() != "content-type"
    }
    content_type = {name.lower(): value for name, value in question.headers.items()}
    headers["Content-Type"] = PLAIN_BYTES
    headers[CONTENT_TYPE] = content_type.get("content-type", "")
    if question.request_id or question.target:
        named = (question.request_id, question.target)
        headers[FOR_LOG] = " ".join(quote(each, errors="replace") for each in named)
    return headers | inner_headers(question)


def inner_headers(question: Question) -> dict[str, str]:
    """The headers that name the model, if it is not the one the worker was started for.

    And the largest answer, if that is another than the worker was told.
    """
    headers = {}
    if question.model:
        headers[MODEL] = question.model
        headers[MODEL_DIR] = question.model_dir
        headers[SCRATCH_DIR] = question.scratch_dir
    if question.in_parts:
        headers[IN_PARTS] = "1"
    if question.answer_limit_bytes is not None:
        headers[ANSWER_LIMIT] = str(question.answer_limit_bytes)
    return headers


def handler_headers(received: Mapping[str, str]) -> dict[str, str]:
    """The headers a handler sees, from those the model server passes on."""
    sent = {name.lower(): value for name, value in received.items()}
    if CONTENT_TYPE.lower() not in sent:
        return {name: value for name, value in received.items() if name.lower() not in HIDDEN}
    content_type = sent[CONTENT_TYPE.lower()]
    kept = {
        name: value
        for name, value in received.items()
        if name.lower() not in HIDDEN | {"content-type", CONTENT_TYPE.lower()}
    }
    return {"content-type": content_type} | kept if content_type else kept


def named_for_log(received: Mapping[str, str]) -> tuple[str, str]:
    """The id and the target of a request that the model server passes on; "": not known."""
    for name, value in received.items():
        if name.lower() == FOR_LOG.lower():
            request_id, _, target = value.partition(" ")
            return unquote(request_id), unquote(target)
    return "", ""


def answer_headers(load_s: float, is_unloadable: bool, dropped: Sequence[str]) -> dict[str, str]:
    """What an answer says of its worker, as headers; mostly none."""
    said = {LOAD_S: repr(load_s) if load_s else "", UNLOADABLE: "1" if is_unloadable else ""}
    said[DROPPED] = ",".join(dropped)
    return {name: value for name, value in said.items() if value}


def answer_of(status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    """The answer the model server's response carries; what `answer_headers` added is read."""
    said = {name.lower(): value for name, value in headers.items()}
    try:
        load_s = float(said.get(LOAD_S, "0"))
    except ValueError:
        load_s = 0.0
    if not 0 <= load_s < math.inf:
        load_s = 0.0
    return Answer(
        status=status,
        headers={
            name: value
            for name, value in said.items()
            if name == STEPS or not name.startswith(OURS)
        },
        body=body,
        load_s=load_s,
        is_unloadable=UNLOADABLE in said,
        dropped=tuple(name for name in said.get(DROPPED, "").split(",") if name),
    )
