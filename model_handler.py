"""The handler Multi Model Server calls in every model's worker process: wiring only.

`handle(data, context)` must be a module-level function: for a handler class the model server logs
errors of loading and then answers 200 all the same. It is called once with `data=None`, which loads
the model; an error raised there fails the load. Later calls carry requests.

What a model is and does is the business of `models`; this module turns the model server's calls
into requests of a family and a family's errors into answers: a status that fits and a JSON body
with type, message and target model. Stack traces go to the log only.

Loading has no such answer: the model server says just 500 or 507. So where `MME_LOAD_REPORTS` names
a folder, a report of each load (what was loaded, or why not) is written there for the endpoint.
Where a platform decides what is loaded, what would not fit is refused (`mme.core.admission`).
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mme.core.admission import admission_of, admitted
from models.errors import AnswerTooLarge, InternalError, NoRoom, ServingError
from models.registry import load_model
from models.serving import LoadedModel, Request

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)

LONGEST_CHAR_BYTES = 4
TARGET_HEADER = "x-amzn-sagemaker-target-model"

_resident: dict[str, LoadedModel] = {}


def handle(data: list[dict[str, Any]] | None, context: Any) -> list[str] | None:
    """Load the model of `context` when `data` is None, else answer each request of the batch."""
    if data is None:
        _load(context)
        return None
    model = _resident[context.model_name]
    return [_answer(model, item, context, index) for index, item in enumerate(data)]


def _load(context: Any) -> None:
    model_dir = Path(context.system_properties["model_dir"])
    began_at = time.monotonic()
    try:
        with admitted(admission_of(os.environ), model_dir):
            model = load_model(model_dir, _scratch_of(context.model_name))
        described = model.describe()
    except Exception as error:  # a MemoryError is what the model server turns into 507
        failure = _as_serving_error(error)
        _report(context.model_name, _error_body(failure, target=None))
        if failure.status_code == NoRoom.status:
            log.warning("refused to load %s: %s", context.model_name, failure.message)
        raise
    _resident[context.model_name] = model
    load_s = round(time.monotonic() - began_at, 4)
    _report(context.model_name, _identity() | {"model": described, "load_s": load_s})


def _scratch_of(model_name: str) -> Path | None:
    """The folder where this model's converted files may lie; None: nowhere."""
    root = os.environ.get("MME_SCRATCH_DIR")
    # Further workers of a model bear its name and a number: they share what the first converted.
    return Path(root, model_name.rpartition("-w")[0] or model_name, "mapped") if root else None


def _identity() -> dict[str, object]:
    return {"pid": os.getpid(), "parent_pid": os.getppid()}


def _answer(model: LoadedModel, item: Mapping[str, Any], context: Any, index: int) -> str:
    headers = {
        name.lower(): value
        for name, value in context.get_all_request_header(index).items()
        if isinstance(value, str)  # the model server mixes in dicts that describe the parts
    }
    request = Request(
        content_type=headers.get("content-type") or None,
        accept=headers.get("accept") or None,
        body=bytes(item.get("body") or b""),
    )
    try:
        response = model.predict(request)
        _check_size(response.body)
    except Exception as error:  # every error has an answer; this is the edge of the process
        failure = _as_serving_error(error)
        if failure.status_code >= 500:  # noqa: PLR2004 - our fault, so the trace is wanted
            log.exception("prediction failed")
        else:
            log.info("request refused: %s: %s", failure.type, failure.message)
        context.set_response_status(failure.status_code, failure.type, index)
        context.set_response_content_type(index, "application/json")
        return json.dumps(_error_body(failure, headers.get(TARGET_HEADER) or context.model_name))
    context.set_response_content_type(index, response.content_type)
    return response.body


def _check_size(body: str) -> None:
    """Raise AnswerTooLarge for an answer at which the model server would give up the worker."""
    limit_bytes = int(os.environ.get("MME_ANSWER_LIMIT_BYTES") or sys.maxsize)
    if len(body) * LONGEST_CHAR_BYTES > limit_bytes:
        size_bytes = len(body.encode("utf-8", "surrogatepass"))
        if size_bytes > limit_bytes:
            raise AnswerTooLarge(size_bytes, limit_bytes)


def _as_serving_error(error: BaseException) -> ServingError:
    if isinstance(error, ServingError):
        return error
    if isinstance(error, MemoryError):
        return NoRoom(str(error) or "There is not enough memory for this")
    # The text of an unforeseen error may quote internals: it belongs in the log.
    return InternalError(f"An unexpected {type(error).__name__} occurred; the log has the details")


def _error_body(error: ServingError, target: str | None) -> dict[str, object]:
    body: dict[str, object] = {
        "type": error.type,
        "message": error.message,
        "status": error.status_code,
    }
    if target is not None:
        body["target_model"] = target
    return body


def _report(model_name: str, content: Mapping[str, object]) -> None:
    """Write the outcome of a load where the endpoint looks for it; atomic, best effort."""
    folder = os.environ.get("MME_LOAD_REPORTS")
    if not folder:
        return
    try:
        partial = Path(folder, f".{model_name}.{os.getpid()}")
        partial.write_text(json.dumps(content), encoding="utf-8")
        partial.replace(Path(folder, f"{model_name}.json"))
    except OSError:
        log.exception("cannot write the load report of %s", model_name)
