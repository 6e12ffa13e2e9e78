"""Models as commands name them: which one was meant where there is none of that name."""

from __future__ import annotations

import difflib
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

from mme.cli.client import EndpointUnreachable, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from mme.cli.client import Endpoint

T = TypeVar("T")
MOST_NAMES = 1000
NEAR = 0.6
HINTS = 3


def about(endpoint: Endpoint, target: str, do: Callable[[], T]) -> T:
    """Do it; where the endpoint says that there is no `target`, say which there are.

    Raises Refused, EndpointUnreachable.
    """
    try:
        return do()
    except Refused as error:
        if error.status != HTTPStatus.NOT_FOUND or not (near := nearest(endpoint, target)):
            raise
        raise Refused(error.status, f"{error.message}\n{hint(near)}") from None


def hint(near: list[str]) -> str:
    """A line with the names that are near."""
    return f"mme: did you mean {' or '.join(near)}?"


def nearest(endpoint: Endpoint, target: str) -> list[str]:
    """Models whose names are like `target`'s, the most alike first."""
    try:
        found = endpoint.get("/models", limit=MOST_NAMES)
        names = [str(model["target_model"]) for model in found["models"]]
    except (EndpointUnreachable, Refused, KeyError, TypeError):
        return []
    with_ending = [name for name in names if name.removesuffix(".tar.gz") == target]
    alike = difflib.get_close_matches(target, names, HINTS, NEAR)
    return (with_ending or alike)[:HINTS]
