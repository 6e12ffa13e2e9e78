"""One page of a list: filtered, in order, and where the next one begins."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from mme.endpoints.operation import ControlPlaneError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from mme.endpoints.records import Record

DEFAULT_RESULTS = 10


def page(
    records: Iterable[Record],
    request: dict[str, Any],
    status_of: Callable[[Record], str] = lambda _: "",
) -> tuple[list[Record], str | None]:
    """The records a list operation asks for, and its NextToken if more follow.

    Raises ControlPlaneError for a token that none of these lists has given.
    """
    sort_by = request.get("SortBy", "CreationTime")
    is_falling = request.get("SortOrder", "Descending") == "Descending"

    def place(record: Record) -> tuple[Any, str]:
        keys = {"Name": record.name, "Status": status_of(record)}
        return keys.get(sort_by, record.created_at), record.name

    found = [each for each in records if _is_wanted(each, request, status_of(each))]
    found.sort(key=place, reverse=is_falling)
    token = request.get("NextToken")
    if token:
        after = _place_in(token)
        try:
            found = [
                each
                for each in found
                if (place(each) < after if is_falling else place(each) > after)
            ]
        except TypeError:  # the list was in another order
            raise _bad_token() from None
    most = request.get("MaxResults", DEFAULT_RESULTS)
    shown = found[:most]
    has_more = len(found) > most
    return shown, _token_of(place(shown[-1])) if has_more else None


def _is_wanted(record: Record, request: dict[str, Any], status: str) -> bool:
    name = request.get("NameContains", "").lower()
    return (
        name in record.name.lower()
        and request.get("StatusEquals", status) == status
        and _is_within(record.created_at, request, "CreationTime")
        and _is_within(record.modified_at, request, "LastModifiedTime")
    )


def _is_within(at_s: float, request: dict[str, Any], member: str) -> bool:
    before: datetime | None = request.get(f"{member}Before")
    after: datetime | None = request.get(f"{member}After")
    return (before is None or at_s < before.timestamp()) and (
        after is None or at_s >= after.timestamp()
    )


def _token_of(place: tuple[Any, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _place_in(token: str) -> tuple[Any, str]:
    try:
        value, name = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, TypeError, RecursionError):
        raise _bad_token() from None
    return value, name


def _bad_token() -> ControlPlaneError:
    return ControlPlaneError("ValidationException", "The NextToken is not one of this list's")
