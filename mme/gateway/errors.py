"""From an error to its answer: one lookup, for which each surface brings a table of its own.

A table has a form for the classes that differ and one for `Exception`; an error takes the form of
the nearest class it descends from.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

from aiohttp import web
from multidict import CIMultiDict

from mme.core.errors import EndpointError, InvalidRequest, Overloaded
from mme.gateway.headers import CONTENT_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Form: TypeAlias = Callable[[Any], web.Response]

JSON = "application/json"
SERVER_NAME = "mme"
"""For the header `Server`; which versions of what answer is nobody's business."""
UNFORESEEN = "failed in a way that was not foreseen; its log has the details"


class NotHttp(InvalidRequest):
    """Bytes that are no request: HTTP's own rules are broken."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"This is no valid HTTP request: {reason.partition(chr(10))[0]}")


class TooManyConnections(Overloaded):
    """There are as many connections as there may be, and all of them are being answered."""

    def __init__(self, limit: int) -> None:
        EndpointError.__init__(self, f"All {limit} connections are in use; try again")


class ErrorTable:
    """The errors of one surface: class -> what makes the answer of an error of that class."""

    def __init__(self, forms: Mapping[type[BaseException], Form]) -> None:
        self._forms = dict(forms)
        if Exception not in self._forms:
            raise ValueError("a table needs a form for Exception")

    def answer(self, error: Exception) -> web.Response:
        """The answer for any error that reaches the edge."""
        nearest = next(base for base in type(error).__mro__ if base in self._forms)
        return self._forms[nearest](error)


def message_of(error: Exception, speaker: str) -> str:
    """What a caller may read of an error; of one that was not foreseen, nothing of its own."""
    return error.message if isinstance(error, EndpointError) else f"{speaker} {UNFORESEEN}"


def json_answer(
    content: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """An answer in JSON."""
    text = json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")
    given = CIMultiDict(headers or ())
    given[CONTENT_TYPE] = JSON
    return web.Response(status=status, headers=given, body=text)
