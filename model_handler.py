"""The handler Multi Model Server calls in every worker: wiring only.

`handle(data, context)` must be a module-level function: for a handler class the model server logs
errors of loading and then answers 200 all the same. It is called once with `data=None` when the
worker starts; an error raised there fails the load. Later calls carry requests.

Where the endpoint runs the worker (`MME_DOORS` and `MME_POOL_DIR` are set) the start loads nothing:
each request names its model in headers, which only the endpoint can set. It comes into memory when
it is first asked for, and `mme.prefork.residents` keeps it. Under a stock model server the start
loads the context's model, and those headers, which anybody may send there, mean nothing.

What a model is and does is the business of `models`; this module turns the model server's calls
into requests of a family and a family's errors into answers: a status that fits and a JSON body
with type, message and target model. Stack traces go to the log only.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mme.core.allowed_code import allowed_code, may_run_code
from mme.core.steps import STEPS, steps_header
from mme.core.through_mms import (
    ALLOW_CODE,
    ANSWER_LIMIT,
    IN_PARTS,
    LOAD_ONLY,
    MODEL,
    MODEL_DIR,
    OURS,
    SCRATCH_DIR,
    TOGETHER,
)
from mme.prefork.confinement import confine_to_artifact
from mme.prefork.failures import BrokenOff, as_serving_error, error_body
from mme.prefork.residents import RESIDENTS
from models.errors import AnswerTooLarge, CodeNotAllowed, NotConverted
from models.mapped.folder import only_map
from models.open_inference import answer, answer_many
from models.registry import load_model
from models.serving import Request, as_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from models.errors import ServingError
    from models.serving import CodeModel, LoadedModel, Response

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Served:
    """Who runs this worker: the endpoint, or a stock model server."""

    by_endpoint: bool = False


_SERVED = _Served()

LONGEST_CHAR_BYTES = 4
TARGET_HEADER = "x-amzn-sagemaker-target-model"
ALLOW_CODE_HEADER = ALLOW_CODE.lower()
MODEL_HEADER, MODEL_DIR_HEADER = MODEL.lower(), MODEL_DIR.lower()
SCRATCH_DIR_HEADER, LOAD_ONLY_HEADER = SCRATCH_DIR.lower(), LOAD_ONLY.lower()
ANSWER_LIMIT_HEADER, IN_PARTS_HEADER = ANSWER_LIMIT.lower(), IN_PARTS.lower()


def handle(data: list[dict[str, Any]] | None, context: Any) -> list[Any] | None:
    """Start when `data` is None, else answer each request of the batch.

    A request that came in through a worker's door may take its answer in pieces. Several that came
    together are computed at once; None in place of an answer: that one is to be asked alone.
    """
    if data is None:
        _start(context)
        return None
    # Under a stock model server anybody may send that header, and nobody knows None.
    if len(data) > 1 and _SERVED.by_endpoint and TOGETHER in context.get_all_request_header(0):
        return _answer_together(data, context)
    return [_answer(item, context, index) for index, item in enumerate(data)]


def _start(context: Any) -> None:
    # Looked at before any code of an artifact's can change it.
    _SERVED.by_endpoint = bool(os.environ.get("MME_DOORS"))
    if os.environ.get("MME_POOL_DIR"):
        only_map()
    else:
        _model_of(context, {})


def _model_of(context: Any, headers: Mapping[str, str]) -> LoadedModel:
    """The model a request is for. Raises what loading it raises."""
    name = headers.get(MODEL_HEADER)
    if name is None:
        folder = context.system_properties["model_dir"]
        scratch = _own_scratch(context.model_name)
        name = context.model_name
    else:
        folder, scratch = headers[MODEL_DIR_HEADER], headers.get(SCRATCH_DIR_HEADER)
    may_run = _may_run_code(headers, context)
    return RESIDENTS.get(name, lambda: _loaded(Path(folder), scratch, may_run=may_run))


def _loaded(folder: Path, scratch: str | None, *, may_run: bool) -> LoadedModel:
    model = load_model(folder, Path(scratch) if scratch else None)
    if not model.needs().is_code:
        return model
    if not may_run:
        raise CodeNotAllowed(folder.name)
    confine_to_artifact(folder)
    return cast("CodeModel", model).start()


def _may_run_code(headers: Mapping[str, str], context: Any) -> bool:
    """Whether the endpoint says so; under a stock model server, whether its environment does."""
    if MODEL_HEADER in headers:
        return ALLOW_CODE_HEADER in headers
    patterns = cast("tuple[str, ...]", allowed_code(os.environ.get("MME_ALLOW_CODE", "")))
    return may_run_code(context.model_name, patterns)


def _own_scratch(model_name: str) -> str | None:
    """The folder where the converted files of the context's model may lie; None: nowhere."""
    root = os.environ.get("MME_SCRATCH_DIR")
    return f"{root}/{model_name}/mapped" if root else None


def _answer_together(data: list[dict[str, Any]], context: Any) -> list[str | bytes | None]:
    requests = [_request(item, context, index) for index, item in enumerate(data)]
    try:
        model = _model_of(context, requests[0].headers)
        responses = answer_many(model, requests)
    except Exception as error:  # noqa: BLE001 - whoever it is of gets it when it is asked alone
        log.debug("not answered together: %s", type(error).__name__)
        return [None] * len(data)
    return [
        None if response is None else _told_in_batch(response, request, context, index)
        for index, (request, response) in enumerate(zip(requests, responses, strict=True))
    ]


def _told_in_batch(
    response: Response, request: Request, context: Any, index: int
) -> str | bytes | None:
    try:
        _check_size(response.body, request.headers)
    except AnswerTooLarge:
        return None
    _say(response, context, index)
    return response.body


def _request(item: Mapping[str, Any], context: Any, index: int) -> Request:
    headers = _headers_of(context, index)
    return Request(
        content_type=headers.get("content-type") or None,
        accept=headers.get("accept") or None,
        body=bytes(item.get("body") or b""),
        in_parts=IN_PARTS_HEADER in headers,
        headers=headers,
    )


def _answer(item: Mapping[str, Any], context: Any, index: int) -> str | bytes | Iterator[bytes]:
    request = _request(item, context, index)
    headers = request.headers
    try:
        model = _model_of(context, headers)
        if LOAD_ONLY_HEADER in headers:
            return ""
        response = answer(model, request)
        _check_size(response.body, headers)
        first = None if response.pieces is None else next(response.pieces, "")
    except Exception as error:  # noqa: BLE001 - the edge of the process: every error has an answer
        failure = as_serving_error(error)
        context.set_response_status(failure.status_code, failure.type, index)
        context.set_response_content_type(index, "application/json")
        return _failed(failure, error, _named(headers, context))
    _say(response, context, index)
    if first is None or response.pieces is None:
        return response.body
    return _yielded(first, response.pieces, _named(headers, context))


def _say(response: Response, context: Any, index: int) -> None:
    """Put all but the body where the model server looks for it."""
    if response.status != HTTPStatus.OK:
        context.set_response_status(response.status, "", index)
    for name, value in response.headers.items():
        context.request_processor[index].add_response_property(name, value)
    context.set_response_content_type(index, response.content_type)
    if response.steps_s:
        context.set_response_header(index, STEPS, steps_header(response.steps_s))


def _headers_of(context: Any, index: int) -> dict[str, str]:
    """A request's headers by names in lower case; those of ours only where we have sent them."""
    is_ours = _SERVED.by_endpoint
    return {
        name.lower(): value
        for name, value in context.get_all_request_header(index).items()
        # The model server mixes in dicts that describe the parts.
        if isinstance(value, str) and (is_ours or not name.lower().startswith(OURS))
    }


def _yielded(
    first: str | bytes, others: Iterator[str | bytes], named: dict[str, str]
) -> Iterator[bytes]:
    """The pieces of an answer. Raises BrokenOff, since others have been sent by then."""
    try:
        yield as_bytes(first)
        yield from map(as_bytes, others)
    except Exception as error:
        failure = as_serving_error(error)
        raise BrokenOff(failure.status_code, _failed(failure, error, named)) from error


def _failed(failure: ServingError, error: Exception, named: dict[str, str]) -> str:
    """What is told of an error, of which the log gets more."""
    if isinstance(failure, NotConverted):  # nobody's fault: it is brought in anew
        log.info("%s", failure.message)
    elif failure.status_code >= 500:  # noqa: PLR2004 - our fault, so the trace is wanted
        log.error("prediction failed", exc_info=error)
    else:
        log.info("request refused: %s%s", failure.type, _told(failure.message))
    return json.dumps(error_body(failure) | named)


def _told(message: str) -> str:
    """A message as the log may have it: it may quote what a caller sent."""
    return f": {message}" if os.environ.get("MME_LOG_PAYLOADS") == "1" else ""


def _named(headers: Mapping[str, str], context: Any) -> dict[str, str]:
    """The target model, if it is known: what the context names may be a worker of many models."""
    target = headers.get(TARGET_HEADER)
    if target is None and MODEL_HEADER not in headers:
        target = context.model_name
    return {} if target is None else {"target_model": target}


def _check_size(body: str | bytes, headers: Mapping[str, str]) -> None:
    """Raise AnswerTooLarge for an answer at which the model server would give up the worker."""
    usual = os.environ.get("MME_ANSWER_LIMIT_BYTES") or sys.maxsize
    limit_bytes = int(headers.get(ANSWER_LIMIT_HEADER) or usual)
    if len(body) * LONGEST_CHAR_BYTES > limit_bytes:
        size_bytes = len(body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body)
        if size_bytes > limit_bytes:
            raise AnswerTooLarge(size_bytes, limit_bytes)
