"""Endpoints: created, described, listed, updated, deleted.

An endpoint keeps a copy of its configuration and models as they were when it was made, so it goes
on as it is whatever becomes of them. It is one record, so an update takes effect at once, and what
is under way ends as it began.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mme.endpoints.arns import arn_of
from mme.endpoints.containers import Containers
from mme.endpoints.definitions import check_free, found
from mme.endpoints.description import described, snapshot, status_of, summary
from mme.endpoints.listing import page
from mme.endpoints.live import FAILED, IN_SERVICE
from mme.endpoints.records import Record
from mme.endpoints.refusals import refused
from mme.endpoints.tags import tag_record, tags_key

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from mme.endpoints.operation import Operation
    from mme.endpoints.records import Records

log = logging.getLogger(__name__)

ENDPOINT = "endpoint"
FAILURE_CHARS = 1024
RETAINED = (("Weights", "DesiredWeight"), ("Counts", "DesiredInstanceCount"))


class Endpoints:
    """The operations on endpoints."""

    def __init__(
        self,
        records: Records,
        reach: Callable[[str, bool], Awaitable[str]],
        on_change: Callable[[str], None],
        leftovers: Callable[[str], Iterable[tuple[str, str]]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`reach` says why a URI (of one artifact, or of many) cannot be read, or "".

        `on_change` is told the name of an endpoint that is another now, or gone; `leftovers` are
        the records of a former endpoint of a name.
        """
        self._records = records
        self._reach = reach
        self._on_change = on_change
        self._leftovers = leftovers
        self._clock = clock

    def operations(self) -> Mapping[str, Operation]:
        """By the names of the service."""
        return {
            "CreateEndpoint": self._create,
            "DescribeEndpoint": self._describe,
            "ListEndpoints": self._list,
            "UpdateEndpoint": self._update,
            "UpdateEndpointWeightsAndCapacities": self._reweigh,
            "DeleteEndpoint": self._delete,
        }

    async def _create(self, request: dict[str, Any]) -> dict[str, Any]:
        name = request["EndpointName"]
        check_free(self._records, ENDPOINT, name)
        content = snapshot(self._records, request["EndpointConfigName"])
        content["DeploymentConfig"] = request.get("DeploymentConfig")
        failure = await self._failure(content)
        if failure:
            log.warning("endpoint %s failed: %s", name, failure)
            content |= {"Status": FAILED, "FailureReason": failure}
        async with self._records.lock:
            check_free(self._records, ENDPOINT, name)
            now_s = self._clock()
            arn = arn_of(ENDPOINT, name.lower())
            record = Record(ENDPOINT, name, arn, now_s, now_s, content)
            tags = tag_record(arn, request.get("Tags", []), now_s)
            await self._records.put(record, tags, without=self._leftovers(name))
            self._on_change(name)
        return {"EndpointArn": arn}

    async def _update(self, request: dict[str, Any]) -> dict[str, Any]:
        name = request["EndpointName"]
        _check_in_service(found(self._records, ENDPOINT, name))
        content = snapshot(self._records, request["EndpointConfigName"])
        failure = await self._failure(content)
        async with self._records.lock:
            record = found(self._records, ENDPOINT, name)
            _check_in_service(record)
            if failure:  # it stays what it was, as after a rollback
                log.warning("endpoint %s was not updated: %s", name, failure)
                content = record.content | {"FailureReason": failure}
            else:
                _retain(content, record.content, request)
            await self._put(record, content)
        return {"EndpointArn": record.arn}

    async def _reweigh(self, request: dict[str, Any]) -> dict[str, Any]:
        async with self._records.lock:
            record = found(self._records, ENDPOINT, request["EndpointName"])
            _check_in_service(record)
            weights, counts = dict(record.content["Weights"]), dict(record.content["Counts"])
            for desired in request["DesiredWeightsAndCapacities"]:
                variant = desired["VariantName"]
                if variant not in weights:
                    raise refused(
                        f"The endpoint has no variant {variant!r}; it has {', '.join(weights)}"
                    )
                weights[variant] = desired.get("DesiredWeight", weights[variant])
                counts[variant] = desired.get("DesiredInstanceCount", counts[variant])
            await self._put(record, record.content | {"Weights": weights, "Counts": counts})
        return {"EndpointArn": record.arn}

    async def _delete(self, request: dict[str, Any]) -> dict[str, Any]:
        async with self._records.lock:
            record = found(self._records, ENDPOINT, request["EndpointName"])
            await self._records.remove((ENDPOINT, record.name), tags_key(record.arn))
            self._on_change(record.name)
        return {}

    async def _describe(self, request: dict[str, Any]) -> dict[str, Any]:
        return described(found(self._records, ENDPOINT, request["EndpointName"]))

    async def _list(self, request: dict[str, Any]) -> dict[str, Any]:
        shown, token = page(self._records.all(ENDPOINT), request, status_of)
        return {"Endpoints": [summary(each) for each in shown], "NextToken": token}

    async def _failure(self, content: Mapping[str, Any]) -> str:
        for source in content["Sources"].values():
            for container in Containers.from_json(source).all:
                failure = await self._reach(container.uri, container.is_multi)
                if failure:
                    place = f"Container {container.name}: " if container.name else ""
                    return f"{place}{failure}"[:FAILURE_CHARS]
        return ""

    async def _put(self, record: Record, content: dict[str, Any]) -> None:
        await self._records.put(replace(record, modified_at=self._clock(), content=content))
        self._on_change(record.name)


def _check_in_service(record: Record) -> None:
    if status_of(record) != IN_SERVICE:
        raise refused(
            f'Cannot update endpoint "{record.arn}": its status is {status_of(record)}; delete it'
            " and create it anew"
        )


def _retain(new: dict[str, Any], old: Mapping[str, Any], request: Mapping[str, Any]) -> None:
    """Keep of the former endpoint what an update asks to keep."""
    keeps_deployment = request.get("RetainDeploymentConfig")
    new["DeploymentConfig"] = (
        old.get("DeploymentConfig") if keeps_deployment else request.get("DeploymentConfig")
    )
    if not request.get("RetainAllVariantProperties"):
        return
    left = {
        each["VariantPropertyType"] for each in request.get("ExcludeRetainedVariantProperties", [])
    }
    for member, word in RETAINED:
        if word not in left:
            new[member] |= {
                variant: value for variant, value in old[member].items() if variant in new[member]
            }
