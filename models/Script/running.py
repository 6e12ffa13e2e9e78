"""A script's model once its code runs: requests in the toolkit's form, and its errors in ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from sagemaker_inference import content_types
from sagemaker_inference.errors import BaseInferenceToolkitError

from models.errors import BadInput, CodeError, ServingError, shorten, words_of
from models.Script.requirements import FILE, read_requirements
from models.Script.toolkit import OURS, ScriptTransformer, begin_request, new_context
from models.serving import Response

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from models.serving import Needs, Request

OK = 200
STATUSES = range(400, 600)
SENDABLE = range(200, 600)
UNSENDABLE = "UnsendableAnswer"
"""What an answer is called that the script made and no server can send."""
CONTENT_TYPE = "content-type"


class RunningScript:
    """A script whose model is in memory."""

    def __init__(self, model_dir: Path, told: Mapping[str, object], needs: Needs) -> None:
        """Import the code and let `model_fn` make the model. Raises CodeError, MemoryError."""
        self._model_dir = model_dir
        self._told = dict(told)
        self._needs = needs
        self._context = new_context(str(model_dir), model_dir.name)
        self._transformer = ScriptTransformer()
        self._count = 0
        try:
            self._transformer.validate_and_initialize(str(model_dir), self._context)
        except BaseException as error:
            raise self._as_error(error) from error

    def predict(self, request: Request) -> Response:
        """Answer one request; raises CodeError, BadInput, MemoryError."""
        _check_text(request)
        self._count += 1
        begin_request(self._context, request.headers or _headers(request), self._count)
        data = [{"body": bytearray(request.body)}]
        try:
            answer = self._transformer.transform(data, self._context)[0]
            body, pieces = _begun(answer, in_parts=request.in_parts)
        except BaseException as error:  # whatever its code makes up
            raise self._as_error(error) from error
        given = dict(self._context.get_response_headers(0))
        content_type = str(given.pop(CONTENT_TYPE, content_types.OCTET_STREAM))
        status = self._context.get_response_status(0)[0] or OK
        _check_answer(status, {CONTENT_TYPE: content_type} | given, body)
        # By those of ours the worker tells the endpoint of itself.
        headers = {n: v for n, v in given.items() if not str(n).lower().startswith(OURS)}
        return Response(
            content_type,
            body,
            None if pieces is None else self._going_on(pieces),
            status=status,
            headers=headers,
        )

    def _going_on(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        try:
            yield from pieces
        except GeneratorExit:
            raise
        except BaseException as error:  # whatever its code makes up
            raise self._as_error(error) from error

    def describe(self) -> dict[str, object]:
        """As the admission found it."""
        return self._told

    def needs(self) -> Needs:
        """A process of its own."""
        return self._needs

    def _as_error(self, error: BaseException) -> BaseException:
        """What a caller is told of what the script raised; the log gets the rest."""
        if isinstance(error, (ServingError, MemoryError)):
            return error
        kind, status, message = type(error).__name__, 500, words_of(error)
        if isinstance(error, BaseInferenceToolkitError):
            message = str(error.message)
            if error.status_code in STATUSES:
                status = int(error.status_code)
        if isinstance(error, ImportError):
            message += _absent(error) + self._lacking()
        # Where it lies on this machine is nobody's business.
        message = message.replace(str(self._model_dir), "<model_dir>")
        return CodeError(message, kind, status)

    def _lacking(self) -> str:
        wanted = read_requirements(self._model_dir)
        if wanted is None or not wanted.missing:
            return ""
        return f"; of what {FILE} asks for, this is missing here: {', '.join(wanted.missing)}"


def _absent(error: ImportError) -> str:
    """Which package it was that is not there."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    package = error.name.partition(".")[0]
    return f": neither this image nor the artifact's code/ has {package}"


def _check_text(request: Request) -> None:
    """Raise BadInput for bytes that the toolkit would take for text and are none."""
    if request.content_type in content_types.UTF8_TYPES:
        try:
            request.body.decode()
        except UnicodeDecodeError as error:
            raise BadInput(f"The body is no {request.content_type} in UTF-8: {error}") from error


def _headers(request: Request) -> dict[str, str]:
    """Of a request that came without: those it has fields for."""
    given = {CONTENT_TYPE: request.content_type, "accept": request.accept}
    return {name: value for name, value in given.items() if value is not None}


def _check_answer(status: object, headers: Mapping[Any, object], body: str | bytes) -> None:
    """Raise CodeError for what no answer can have: the model server would not say what it is."""
    if not isinstance(status, int) or status not in SENDABLE:
        raise CodeError(f"It sets the status {shorten(status)}; there are 200 to 599", UNSENDABLE)
    for name, value in headers.items():
        texts = [each for each in (name, value) if isinstance(each, str) and each.isascii()]
        if len(texts) < 2 or not name or not all(map(_is_printable, texts)):  # noqa: PLR2004
            said = f"{shorten(name, 60)}: {shorten(value, 60)}"
            raise CodeError(f"It sets the header {said}, which is no printable ASCII", UNSENDABLE)
    if isinstance(body, str):
        try:
            body.encode()
        except UnicodeEncodeError as error:
            raise CodeError(
                f"Its answer is no text that can be sent: {error}", UNSENDABLE
            ) from error


def _is_printable(text: str) -> bool:
    return text.replace("\t", "").isprintable()


def _body(answer: Any) -> str | bytes:
    """An answer as the model server sends it. Raises what JSON raises."""
    if isinstance(answer, (str, bytes)):
        return answer
    if isinstance(answer, (bytearray, memoryview)):
        return bytes(answer)
    return json.dumps(answer, indent=2)


def _begun(answer: Any, *, in_parts: bool) -> tuple[str | bytes, Iterator[bytes] | None]:
    """An answer's body, or what makes it. Raises what the script raises, and JSON.

    A generator runs up to its first piece: until then it may set status and headers.
    """
    if not isinstance(answer, Iterator):
        return _body(answer), None
    pieces = _pieces(answer)
    first = next(pieces, b"")
    if in_parts:
        return b"", chain((first,), pieces)
    return b"".join((first, *pieces)), None


def _pieces(answer: Iterator[Any]) -> Iterator[bytes]:
    """What an answer that comes in pieces has of them. Raises TypeError for what is none."""
    for piece in answer:
        if not isinstance(piece, (str, bytes, bytearray, memoryview)):
            kind = type(piece).__name__
            raise TypeError(f"a piece of an answer must be text or bytes, not {kind}")
        yield piece.encode() if isinstance(piece, str) else bytes(piece)
