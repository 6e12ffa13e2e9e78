"""Tags of what was created."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from mme.endpoints.operation import ControlPlaneError
from mme.endpoints.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mme.endpoints.operation import Operation
    from mme.endpoints.records import Records

TAGS = "tags"
MOST_TAGS = 50


class Tags:
    """The operations on tags of whatever was put with a `tag_record`."""

    def __init__(self, records: Records, clock: Callable[[], float] = time.time) -> None:
        self._records = records
        self._clock = clock

    def operations(self) -> Mapping[str, Operation]:
        """By the names of the service."""
        return {"AddTags": self._add, "ListTags": self._list, "DeleteTags": self._delete}

    async def _add(self, request: dict[str, Any]) -> dict[str, Any]:
        arn = request["ResourceArn"]
        async with self._records.lock:
            tags = self._of(arn) | {tag["Key"]: tag["Value"] for tag in request["Tags"]}
            if len(tags) > MOST_TAGS:
                raise ControlPlaneError(
                    "ValidationException", f"A resource may have {MOST_TAGS} tags"
                )
            await self._put(arn, tags)
        return {"Tags": _listed(tags)}

    async def _list(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"Tags": _listed(self._of(request["ResourceArn"]))}

    async def _delete(self, request: dict[str, Any]) -> dict[str, Any]:
        arn = request["ResourceArn"]
        async with self._records.lock:
            gone = set(request["TagKeys"])
            await self._put(arn, {k: v for k, v in self._of(arn).items() if k not in gone})
        return {}

    def _of(self, arn: str) -> dict[str, str]:
        record = self._records.get(TAGS, arn)
        if record is None:
            raise ControlPlaneError("ValidationException", f'Could not find resource "{arn}".')
        return dict(record.content)

    async def _put(self, arn: str, tags: dict[str, str]) -> None:
        now_s = self._clock()
        await self._records.put(Record(TAGS, arn, arn, now_s, now_s, tags))


def tag_record(arn: str, tags: Iterable[Mapping[str, str]], now_s: float) -> Record:
    """The record of the tags that a resource is created with, to be put and removed with it."""
    return Record(TAGS, arn, arn, now_s, now_s, {tag["Key"]: tag["Value"] for tag in tags})


def tags_key(arn: str) -> tuple[str, str]:
    """What the record of a resource's tags is kept under."""
    return TAGS, arn


def _listed(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
