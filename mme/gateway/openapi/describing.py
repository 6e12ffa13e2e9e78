"""What a handler says of itself for the description of the HTTP interface.

A handler's docstring is its summary; parameters, bodies and answers are declared beside it, since
no signature has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Schema: TypeAlias = Mapping[str, Any]
"""A JSON schema; `{"$ref": ...}` for one of `schemas.py`."""
Handler = TypeVar("Handler", bound="Callable[..., Any]")

STRING: Schema = {"type": "string"}
JSON = "application/json"
NAME = "__described__"
ANY_KIND = ("*/*",)
RUNTIME = "runtime"
MODEL_FAILURES = (404, 413, 424, 530)
"""What may come of asking a model."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a query, or a header."""

    name: str
    meaning: str
    schema: Schema = field(default_factory=lambda: STRING)
    place: Literal["query", "header"] = "query"
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a request."""

    schema: Schema
    media: Sequence[str] = (JSON,)
    is_required: bool = True


@dataclass(frozen=True, slots=True)
class Result:
    """What is answered when all goes well."""

    meaning: str
    schema: Schema | None = None
    media: Sequence[str] = (JSON,)
    status: int = 200


@dataclass(frozen=True, slots=True)
class Description:
    """What stands at a handler."""

    results: Sequence[Result]
    parameters: Sequence[Parameter] = ()
    body: Body | None = None
    failures: Sequence[int] = ()
    """Statuses of errors; each has the body of an error."""
    failure: Result | None = None
    """The body of an error, where it has a form of its own."""
    operation: str = ""
    """Of SageMaker's runtime: its model has the headers."""
    tag: str = ""
    details: str = ""


def described(
    *results: Result,
    parameters: Sequence[Parameter] = (),
    body: Body | None = None,
    failures: Sequence[int] = (),
    failure: Result | None = None,
    operation: str = "",
    tag: str = "",
    details: str = "",
) -> Callable[[Handler], Handler]:
    """Note what a handler takes and answers."""

    def noted(handler: Handler) -> Handler:
        said = Description(results, parameters, body, failures, failure, operation, tag, details)
        setattr(handler, NAME, said)
        return handler

    return noted


def description_of(handler: Callable[..., Any]) -> Description:
    """What stands at a handler. Raises LookupError where nothing does."""
    found: Description | None = getattr(handler, NAME, None)
    if found is None:
        raise LookupError(f"{getattr(handler, '__qualname__', handler)} is not described")
    return found
