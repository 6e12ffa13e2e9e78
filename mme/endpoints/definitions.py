"""Models and endpoint configurations: created, described, listed, deleted.

They do nothing by themselves, and may be deleted while an endpoint is made of them. Which are
refused is in `refusals.py`.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mme.endpoints.arns import arn_of
from mme.endpoints.listing import page
from mme.endpoints.operation import ControlPlaneError
from mme.endpoints.records import Record
from mme.endpoints.tags import tag_record, tags_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mme.endpoints.operation import Operation
    from mme.endpoints.records import Records

MODEL, CONFIG = "model", "endpoint-config"
MOST_OF_A_KIND = 10_000
MOST_CHARS = 64 * 1024 * 1024
"""They are all in memory."""


class Definitions:
    """The operations of one kind of definition."""

    def __init__(
        self,
        records: Records,
        word: str,
        kind: str,
        check: Callable[[dict[str, Any]], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`word` is what the service's operations call the kind: `Model`, `EndpointConfig`."""
        self._records = records
        self._word = word
        self._kind = kind
        self._check = check
        self._clock = clock

    def operations(self) -> Mapping[str, Operation]:
        """By the names of the service."""
        return {
            f"Create{self._word}": self._create,
            f"Describe{self._word}": self._describe,
            f"List{self._word}s": self._list,
            f"Delete{self._word}": self._delete,
        }

    async def _create(self, request: dict[str, Any]) -> dict[str, Any]:
        name = request[f"{self._word}Name"]
        content = dict(request)
        tags = content.pop("Tags", [])
        async with self._records.lock:
            check_free(self._records, self._kind, name)
            self._check(request)
            now_s = self._clock()
            arn = arn_of(self._kind, name.lower())
            record = Record(self._kind, name, arn, now_s, now_s, content)
            await self._records.put(record, tag_record(arn, tags, now_s))
        return {f"{self._word}Arn": arn}

    async def _describe(self, request: dict[str, Any]) -> dict[str, Any]:
        record = found(self._records, self._kind, request[f"{self._word}Name"])
        return {
            **record.content,
            f"{self._word}Arn": record.arn,
            "CreationTime": moment(record.created_at),
        }

    async def _list(self, request: dict[str, Any]) -> dict[str, Any]:
        shown, token = page(self._records.all(self._kind), request)
        return {
            f"{self._word}s": [
                {
                    f"{self._word}Name": each.name,
                    f"{self._word}Arn": each.arn,
                    "CreationTime": moment(each.created_at),
                }
                for each in shown
            ],
            "NextToken": token,
        }

    async def _delete(self, request: dict[str, Any]) -> dict[str, Any]:
        async with self._records.lock:
            record = found(self._records, self._kind, request[f"{self._word}Name"])
            await self._records.remove((self._kind, record.name), tags_key(record.arn))
        return {}


def moment(at_s: float) -> datetime:
    """A time as operations answer it."""
    return datetime.fromtimestamp(at_s, UTC)


def found(records: Records, kind: str, name: str) -> Record:
    """The record of that name; raises what the service says of one that is not there."""
    record = records.get(kind, name)
    if record is None:
        arn = arn_of(kind, name.lower())
        raise ControlPlaneError("ValidationException", f'Could not find {_words(kind)} "{arn}".')
    return record


def check_free(records: Records, kind: str, name: str) -> None:
    """Raise ControlPlaneError if a name is taken, in whatever case, or there are too many."""
    there = records.all(kind)
    for record in there:
        if record.name.lower() == name.lower():
            raise ControlPlaneError(
                "ValidationException",
                f'Cannot create already existing {_words(kind)} "{record.arn}".',
            )
    check_room(records, kind)


def check_room(records: Records, kind: str) -> None:
    """Raise ControlPlaneError if there may be no more of a kind, or of all."""
    there = len(records.all(kind))
    if there >= MOST_OF_A_KIND:
        raise _no_room(f"There are {there} of the kind {_words(kind)}, and may be no more")
    if records.size_chars >= MOST_CHARS:
        raise _no_room(f"What was created takes {MOST_CHARS} characters, and may take no more")


def _no_room(message: str) -> ControlPlaneError:
    return ControlPlaneError("ResourceLimitExceeded", message)


def _words(kind: str) -> str:
    return "endpoint configuration" if kind == CONFIG else kind
