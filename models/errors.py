"""The errors a family answers with, each with its HTTP status, and the one training adds.

ServingError
├── BadInput                 400  the body cannot be used
├── CodeNotAllowed           403  the artifact is code, and code may not run here
├── NotAcceptable            406  no answer in a form the caller accepts
├── AnswerTooLarge           413  more than an invocation may bring back
├── UnsupportedContentType   415
├── CodeError                500  what an artifact's own code raised; 400-599 where it says so
├── ArtifactError            500  the artifact is broken, or asks for what is not installed
├── InternalError            500  an error nobody foresaw
├── NotConverted             503  the artifact has not been converted for mapping yet
└── NoRoom (a MemoryError)   507
CorpusError (a ValueError)        the corpus cannot be trained on
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from sagemaker_inference.errors import BaseInferenceToolkitError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SHOWN_CHARS = 200
MOST_CODE_CHARS = 4096
"""Of the message of an artifact's own code."""
SHOWN_BITS = 1000
"""Of a larger whole number only the size is shown."""
NO_ROOM_ERRNOS = (errno.ENOMEM, errno.EMFILE, errno.ENFILE)


class ServingError(BaseInferenceToolkitError):  # type: ignore[misc] # the base is untyped
    """Base of all errors whose message is for the caller."""

    status: ClassVar[int] = 500
    status_code: int
    message: str

    def __init__(self, message: str) -> None:
        super().__init__(self.status, message, type(self).__name__)

    @property
    def type(self) -> str:
        """The name of the error, as answers carry it."""
        return type(self).__name__

    def __str__(self) -> str:
        return self.message


class BadInput(ServingError):
    """The request's body cannot be used; the message says what is wrong with it."""

    status = 400


class CodeNotAllowed(ServingError):
    """An artifact that is code, in a process where its code may not run."""

    status = 403

    def __init__(self, file: str) -> None:
        super().__init__(
            f"{file}: the model is code, which runs only where the endpoint's operator allows it:"
            " MME_ALLOW_CODE names the targets"
        )


class NotAcceptable(ServingError):
    """The model cannot answer in any form the caller accepts."""

    status = 406

    def __init__(self, accept: str, offered: tuple[str, ...]) -> None:
        super().__init__(f"Accept {shorten(accept)} cannot be met; offered: {', '.join(offered)}")


class AnswerTooLarge(ServingError):
    """The answer is larger than one invocation may return."""

    status = 413

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(
            f"The answer has {size_bytes} bytes and an invocation may bring back {limit_bytes}:"
            " ask for less at a time"
        )


class UnsupportedContentType(ServingError):
    """The model does not read this media type."""

    status = 415

    def __init__(self, content_type: str, understood: tuple[str, ...]) -> None:
        super().__init__(
            f"Content-Type {shorten(content_type)} is not understood;"
            f" understood: {', '.join(understood)}"
        )


class ArtifactError(ServingError):
    """An artifact that cannot be served; `file` is a name in it, never a path outside."""

    status = 500

    def __init__(self, file: str | Path, reason: str) -> None:
        self.file = file.name if isinstance(file, Path) else file
        self.reason = reason
        super().__init__(f"{self.file}: {reason}")


class CodeError(ServingError):
    """What an artifact's own code raised: its kind, message and, if it has one, status."""

    def __init__(self, message: str, kind: str, status: int = 500) -> None:
        super().__init__(message[:MOST_CODE_CHARS])
        self.status_code = status
        self._kind = kind

    @property
    def type(self) -> str:
        """The name of the class that was raised."""
        return self._kind


class InternalError(ServingError):
    """An error nobody foresaw; details belong in the log, not in the message."""

    status = 500


class NotConverted(ServingError):
    """The mapped form of an artifact is not there, and this process may not make it."""

    status = 503

    def __init__(self, file: str | Path) -> None:
        self.file = file.name if isinstance(file, Path) else file
        super().__init__(f"{self.file}: has no converted form here that this version reads")


class NoRoom(ServingError, MemoryError):
    """There is not enough memory; a MemoryError so that the model server answers 507 too."""

    status = 507


def is_short_of_room(error: BaseException | None) -> bool:
    """Whether an error says that memory or file descriptors have run out."""
    return isinstance(error, OSError) and error.errno in NO_ROOM_ERRNOS


class CorpusError(ValueError):
    """A corpus that cannot be trained on: names the file, what was wanted and what was found."""

    def __init__(self, file: Path, reason: str) -> None:
        self.file = file
        super().__init__(f"{file.name}: {reason}")


def words_of(error: BaseException) -> str:
    """What an error of an artifact's code says of itself; "" where its class fails at that."""
    try:
        return str(error)
    except BaseException:  # noqa: BLE001 - such a class may do anything
        return ""


def shorten(value: object, limit: int = SHOWN_CHARS) -> str:
    """The repr of what a caller sent, cut to about `limit` characters.

    Only what is shown is made: a value that holds itself many times over would have a repr without
    end, and that of a number of many digits takes as long as their square.
    """
    shown = ""
    for piece in _pieces(value, limit):
        shown += piece
        if len(shown) > limit:
            return f"{shown[:limit]}…"
    return shown


def _pieces(value: object, limit: int) -> Iterator[str]:
    """The repr of a value in pieces of about `limit` characters at most, made one by one.

    Each list in a list begins with a piece, so whoever stops after `limit` characters is never
    deeper in it than that.
    """
    match value:
        case str() | bytes() | bytearray():
            yield repr(value[: limit + 1])
        case int() if value.bit_length() > SHOWN_BITS:
            yield f"<a number of {value.bit_length()} bits>"
        case list():
            yield "["
            yield from _joined((_pieces(each, limit) for each in value), "]")
        case tuple():
            yield "("
            yield from _joined(
                (_pieces(each, limit) for each in value), ",)" if len(value) == 1 else ")"
            )
        case dict():
            yield "{"
            yield from _joined((_entry(*pair, limit) for pair in value.items()), "}")
        case None | int() | float():
            yield repr(value)
        case _:
            yield f"<{type(value).__name__[:limit]}>"


def _entry(key: object, value: object, limit: int) -> Iterator[str]:
    yield from _pieces(key, limit)
    yield ": "
    yield from _pieces(value, limit)


def _joined(parts: Iterable[Iterator[str]], end: str) -> Iterator[str]:
    for number, part in enumerate(parts):
        if number:
            yield ", "
        yield from part
    yield end
