"""One call of the handler, and what the caller is told of it, the same whichever way it was asked.

Through the model server `mms.service.Service.predict` makes the call, through the door `ask` does
what it does, without its log lines and metrics. Both call the handler by `entry`, which checks what
it returned: whatever could not be sent is refused here, where it would end a stock worker.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mms.context import RequestProcessor
from mms.metrics.metrics_store import MetricsStore
from mms.protocol.otf_message_handler import create_predict_response
from mms.service import PredictionException

from mme.core.door import BODY_LIMIT_BYTES, Answer, Part
from mme.core.through_mms import (
    ANSWER_LIMIT,
    MODEL,
    TOGETHER,
    answer_headers,
    handler_headers,
    inner_headers,
    named_for_log,
)
from mme.prefork.failures import BrokenOff, refusal
from mme.prefork.output import OUTPUT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mme.core.door import Question
    from mme.prefork.residents import Residents

log = logging.getLogger(__name__)

OK, NO_ROOM, FAILED, TOO_LARGE = 200, 507, 503, 413
PIECE_BYTES = 64 * 1024
"""The largest piece of an answer that is wanted in parts."""
SENDABLE = range(200, 600)
ERRORS = range(400, 600)
UNSENDABLE = "Unsupported model output data type."
REQUEST_ID = "requestId"


class Calls:
    """The handler of one worker, ready to be asked; `service` is what the model server made."""

    def __init__(self, service: Any, residents: Residents, limit_bytes: int | None = None) -> None:
        self._service = service
        self._handle = service._entry_point  # noqa: SLF001 - there is no public name
        self._context = service.context
        self._residents = residents
        self._usual_limit_bytes = BODY_LIMIT_BYTES if limit_bytes is None else limit_bytes
        self._limit_bytes = self._usual_limit_bytes
        self._count = 0
        self.has_run_out = False
        """Whether a computing found too little memory: what it left may keep others from theirs."""
        service._entry_point = self._joined  # noqa: SLF001

    def ask(self, question: Question, send_part: Callable[[Part], None]) -> Answer:
        """Answer a question that came through the door; `send_part` takes pieces before the end."""
        self._limit(question.answer_limit_bytes)
        context = self._context
        OUTPUT.begin(question.target, question.request_id)
        self._ready([_headers_of(question)])
        try:
            item = self._entry([{"body": bytearray(question.body)}], context)[0]
            status = context.get_response_status(0)[0] or OK
            sent = {name.lower(): value for name, value in context.get_response_headers(0).items()}
            if isinstance(item, bytes):
                is_cut = question.in_parts and status == OK and len(item) > PIECE_BYTES
                pieces = iter([item]) if is_cut else None
            else:
                pieces = self._bounded(item)
            if pieces is not None:
                item = _sent_in_parts(pieces, status, sent, send_part)
        except PredictionException as error:
            answer = refusal(error.error_code, error.message)
        except BrokenOff as error:
            self.has_run_out |= error.answer.status == NO_ROOM
            answer = error.answer
        except MemoryError:
            log.exception("System out of memory")
            answer = refusal(NO_ROOM, "Out of resources")
        except Exception:  # as the model server's own service does
            log.warning("Invoking custom service failed.", exc_info=True)
            answer = refusal(FAILED, "Prediction failed")
        else:
            answer = Answer(status, sent, item)
        OUTPUT.end()
        note = self._residents.take_note()
        if note is None:
            return answer
        return Answer(
            answer.status, answer.headers, answer.body, note.load_s, note.is_unloadable,
            note.dropped,
        )  # fmt: skip

    def ask_together(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer questions to one model, at once where its family can, else one after the other.

        None is answered after one that has run out of memory: another worker gets these.
        """
        together = self._at_once(questions)
        note = self._residents.take_note()
        answers: list[Answer] = []
        for question, answer in zip(questions, together, strict=True):
            answers.append(self.ask(question, _no_part) if answer is None else answer)
            if self.has_run_out:
                break
        if note is not None:
            first = answers[0]
            load_s, dropped = first.load_s + note.load_s, (*note.dropped, *first.dropped)
            answers[0] = replace(first, load_s=load_s, dropped=dropped)
        return answers

    def _at_once(self, questions: Sequence[Question]) -> list[Answer | None]:
        """The answers of one call of the handler; None: whatever is wrong is said to it alone."""
        OUTPUT.begin(questions[0].target)
        self._ready([{**_headers_of(each), TOGETHER: "1"} for each in questions])
        try:
            returned = self._handle(
                [{"body": bytearray(each.body)} for each in questions], self._context
            )
            return [
                self._one_of(question, item, index)
                for index, (question, item) in enumerate(zip(questions, returned, strict=True))
            ]
        except Exception:
            log.warning("%d requests are answered one by one", len(questions), exc_info=True)
            return [None] * len(questions)
        finally:
            OUTPUT.end()

    def _one_of(self, question: Question, item: Any, index: int) -> Answer | None:
        context = self._context
        status = context.get_response_status(index)[0] or OK
        if item is None or status != OK:
            return None
        self._limit(question.answer_limit_bytes)
        try:
            _check_head(context, index)
            body = self._encoded(item)
        except PredictionException:
            return None
        if not isinstance(body, bytes):
            return None
        sent = {name.lower(): value for name, value in context.get_response_headers(index).items()}
        return Answer(status, sent, body)

    def _ready(self, headers: list[dict[str, Any]]) -> None:
        """Have the context be of requests with these headers."""
        context = self._context
        self._count += 1
        context.request_ids = {
            index: f"{os.getpid()}-{self._count}" for index in range(len(headers))
        }
        context.request_processor = [RequestProcessor(each) for each in headers]
        context.metrics = _MetricsOnDemand(context)

    def ask_through_mms(self, batch: list[dict[str, Any]]) -> bytes:
        """Answer a message of the model server, in its words."""
        for request in batch:
            received = _received(request)
            self._limit(_as_sent_by_caller(request, received))
            request_id, target = named_for_log(received)
            OUTPUT.begin(target, request_id)
        try:
            reply: bytes = self._service.predict(batch)
        except Exception:
            log.exception("an answer that cannot be put into words")
            ids = {index: request[REQUEST_ID].decode() for index, request in enumerate(batch)}
            reply = create_predict_response(None, ids, UNSENDABLE, FAILED)
        OUTPUT.end()
        self._residents.take_note()  # of a call that failed, which has no headers to hold it
        return reply

    def _joined(self, data: list[dict[str, Any]], context: Any) -> list[bytes]:
        """Be the service's entry point: whole bodies, and the residents' note among the headers."""
        whole = [
            item if isinstance(item, bytes) else b"".join(self._bounded(item))
            for item in self._entry(data, context)
        ]
        note = self._residents.take_note()
        if note is not None:
            said = answer_headers(note.load_s, note.is_unloadable, note.dropped)
            for name, value in said.items():
                context.set_response_header(0, name, value)
        return whole

    def _entry(self, data: list[dict[str, Any]], context: Any) -> list[Any]:
        """Call the handler; items are bytes or iterators of bytes, and all of it can be sent."""
        try:
            returned = self._handle(data, context)
        except MemoryError:
            self.has_run_out = True
            raise
        except PredictionException as error:
            log.exception("Prediction error")
            code = error.error_code if error.error_code in ERRORS else 500
            raise PredictionException(str(error.message), code) from None
        if not isinstance(returned, list):
            log.warning("Invalid return type: %s.", type(returned))
            raise PredictionException("Invalid model predict output", FAILED)
        if len(returned) != len(data):
            log.warning("%d answers for %d requests", len(returned), len(data))
            raise PredictionException("number of batch response mismatched", FAILED)
        for index in range(len(returned)):
            _check_head(context, index)
            is_full = context.get_response_status(index)[0] == NO_ROOM
            self.has_run_out |= is_full and not self._residents.has_failed
        return [self._encoded(item) for item in returned]

    def _encoded(self, item: Any) -> Any:
        if isinstance(item, str):
            try:
                item = item.encode()
            except UnicodeEncodeError:
                raise PredictionException(UNSENDABLE, FAILED) from None
        elif isinstance(item, bytearray):
            item = bytes(item)
        elif not isinstance(item, bytes):
            if hasattr(item, "__next__"):
                return item
            try:
                item = json.dumps(item, indent=2).encode()
            except (TypeError, ValueError, RecursionError):
                log.warning("Unable to serialize model output.", exc_info=True)
                raise PredictionException(UNSENDABLE, FAILED) from None
        self._check_size(len(item))
        return item

    def _bounded(self, pieces: Iterator[Any]) -> Iterator[bytes]:
        size_bytes = 0
        try:
            for piece in pieces:
                if not isinstance(piece, (bytes, bytearray)):
                    kind = type(piece).__name__
                    raise TypeError(f"a piece of an answer must be bytes, not {kind}")
                size_bytes += len(piece)
                self._check_size(size_bytes)
                yield bytes(piece)
        except MemoryError:
            self.has_run_out = True
            raise

    def _limit(self, answer_bytes: int | None) -> None:
        """Hold the answer to the question that comes to so many bytes."""
        self._limit_bytes = self._usual_limit_bytes if answer_bytes is None else answer_bytes

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > self._limit_bytes:
            raise PredictionException(
                f"The answer has {size_bytes} bytes or more and an invocation may bring back"
                f" {self._limit_bytes}",
                TOO_LARGE,
            )


def _headers_of(question: Question) -> dict[str, Any]:
    """The headers a handler sees of a question that came through the door."""
    headers: dict[str, Any] = {**question.headers}
    if question.model:
        headers |= inner_headers(question)
    content_type = headers.get("content-type") or headers.get("Content-Type") or ""
    headers.setdefault("body", {"content-type": content_type})
    return headers


def _no_part(_: Part) -> None:
    """Of those that came together none is answered in parts."""
    raise TypeError("an answer in parts to a question among others")


def _sent_in_parts(
    pieces: Iterator[bytes],
    status: int,
    headers: Mapping[str, str],
    send_part: Callable[[Part], None],
) -> bytes:
    """Send all pieces; of anything but a success in one, since that makes parts void."""
    if status != OK:
        return b"".join(pieces)
    for piece in pieces:
        for place in range(0, len(piece), PIECE_BYTES):
            send_part(Part(piece[place : place + PIECE_BYTES], headers))
            headers = {}
    return b""


def _check_head(context: Any, index: int) -> None:
    """Raise PredictionException for a status or header that no HTTP answer can have."""
    status, phrase = context.get_response_status(index)
    if not (status is None or (isinstance(status, int) and status in SENDABLE)):
        raise PredictionException(UNSENDABLE, FAILED)
    if not (phrase is None or (isinstance(phrase, str) and _is_plain(phrase))):
        raise PredictionException(UNSENDABLE, FAILED)
    for name, value in context.get_response_headers(index).items():
        if not (isinstance(name, str) and isinstance(value, str)):
            raise PredictionException(UNSENDABLE, FAILED)
        if not (name and _is_plain(name) and _is_plain(value)):
            raise PredictionException(UNSENDABLE, FAILED)


def _is_plain(text: str) -> bool:
    """Whether a header may hold it: the model server counts characters, not bytes."""
    return text.isascii() and (text.isprintable() or text.replace("\t", "").isprintable())


class _MetricsOnDemand:
    """Stands for the model server's metrics, which hardly any handler asks for."""

    def __init__(self, context: Any) -> None:
        self._context = context

    def __getattr__(self, name: str) -> Any:
        context = self._context
        context.metrics = MetricsStore(context.request_ids, context.model_name)
        return getattr(context.metrics, name)


def _received(request: dict[str, Any]) -> Mapping[str, str]:
    """The headers of a request that came through the model server."""
    return {header["name"].decode(): header["value"].decode() for header in request["headers"]}


def _as_sent_by_caller(request: dict[str, Any], received: Mapping[str, str]) -> int | None:
    """Let a request that came through the model server look as it did at the gateway.

    Returns the largest answer to it, if that was said.
    """
    headers = handler_headers(received)
    said = {name.lower(): name for name in headers}
    limit_name = said.get(ANSWER_LIMIT.lower())
    limit = "" if limit_name is None else headers[limit_name]
    if limit_name is not None and MODEL.lower() not in said:
        del headers[limit_name]  # a handler that is not ours
    request["headers"] = [
        {"name": name.encode(), "value": value.encode()} for name, value in headers.items()
    ]
    content_type = headers.get("content-type") or headers.get("Content-Type") or ""
    for parameter in request["parameters"]:
        if parameter["name"] == "body":
            parameter["contentType"] = content_type
    return int(limit) if limit.isdecimal() else None
