"""Models as commands name them: which one was meant where there is none of that name."""

from __future__ import annotations

import difflib
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

from mme.cli.client import EndpointUnreachable, NoSuchModel, Refused, model_path
from mme.cli.tables import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from mme.cli.client import Endpoint

T = TypeVar("T")
ENDING = ".tar.gz"
MOST_NAMES = 1000
NEAR = 0.6
HINTS = 3


def about(endpoint: Endpoint, target: str, do: Callable[[], T]) -> T:
    """Do it; where there is no `target`, say which there are.

    Raises NoSuchModel, Refused, EndpointUnreachable.
    """
    try:
        return do()
    except Refused as error:
        if not _is_missing(endpoint, target, error.status):
            raise
        near = nearest(endpoint, target)
        near = [] if target in near else near  # the name is right, its state is not
        message = f"{error.message}\n{hint(near)}" if near else error.message
        raise NoSuchModel(HTTPStatus.NOT_FOUND, message) from None


def _is_missing(endpoint: Endpoint, target: str, status: int) -> bool:
    """Whether there is no such model; SageMaker's own status for that, 400, is one for all."""
    if status != HTTPStatus.BAD_REQUEST:
        return status == HTTPStatus.NOT_FOUND
    try:
        endpoint.get(model_path(target))
    except Refused as error:
        return error.status == HTTPStatus.NOT_FOUND
    return False


def hint(near: list[str]) -> str:
    """A line with the names that are near."""
    return f"mme: did you mean {' or '.join(map(plain, near))}?"


def nearest(endpoint: Endpoint, target: str) -> list[str]:
    """Models whose names are like `target`'s, the most alike first."""
    try:
        found = endpoint.get("/models", limit=MOST_NAMES)
        names = [str(model["target_model"]) for model in found["models"]]
    except (EndpointUnreachable, Refused, KeyError, TypeError):
        return []
    # Their common ending is left out, since it would make all of them alike.
    stems = {name.removesuffix(ENDING): name for name in names}
    alike = difflib.get_close_matches(target.removesuffix(ENDING), stems, HINTS, NEAR)
    return [stems[stem] for stem in alike]
