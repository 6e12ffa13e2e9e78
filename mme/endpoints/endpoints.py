"""Endpoints: created, described, listed, updated, deleted.

An endpoint keeps a copy of its configuration and models as they were when it was made, so it goes
on as it is whatever becomes of them. It is made of one record, so an update takes effect at once,
and what is under way ends as it began.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mme.endpoints.arns import arn_of
from mme.endpoints.definitions import (
    CONFIG,
    MODEL,
    already_there,
    container_of,
    found,
    moment,
    refused,
)
from mme.endpoints.listing import page
from mme.endpoints.live import FAILED, IN_SERVICE
from mme.endpoints.model_data import s3_uri
from mme.endpoints.records import Record
from mme.endpoints.tags import tag_record, tags_key

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from mme.endpoints.operation import Operation
    from mme.endpoints.records import Records

ENDPOINT = "endpoint"
FAILURE_CHARS = 1024
DESCRIBED = ("AsyncInferenceConfig", "ExplainerConfig", "MetricsConfig", "CrossRegionTrafficConfig")
"""What of a configuration an endpoint's description repeats."""
VARIANT_DESCRIBED = ("ManagedInstanceScaling", "RoutingConfig")


class Endpoints:
    """The operations on endpoints."""

    def __init__(
        self,
        records: Records,
        reach: Callable[[str, bool], Awaitable[str]],
        on_change: Callable[[str], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`reach` says why a URI (of one artifact, or of many) cannot be read, or "".

        `on_change` is told the name of an endpoint that is another now, or gone.
        """
        self._records = records
        self._reach = reach
        self._on_change = on_change
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
        self._check_free(name)
        content = self._content(request)
        failure = await self._failure(content)
        content |= {"Status": FAILED, "FailureReason": failure} if failure else {}
        async with self._records.lock:
            self._check_free(name)
            now_s = self._clock()
            arn = arn_of(ENDPOINT, name.lower())
            record = Record(ENDPOINT, name, arn, now_s, now_s, content)
            await self._records.put(record, tag_record(arn, request.get("Tags", []), now_s))
            self._on_change(name)
        return {"EndpointArn": arn}

    async def _update(self, request: dict[str, Any]) -> dict[str, Any]:
        name = request["EndpointName"]
        self._check_in_service(found(self._records, ENDPOINT, name))
        content = self._content(request)
        failure = await self._failure(content)
        async with self._records.lock:
            record = found(self._records, ENDPOINT, name)
            self._check_in_service(record)
            if failure:  # it stays what it was, as after a rollback
                content = record.content | {"FailureReason": failure}
            elif request.get("RetainAllVariantProperties"):
                left = {
                    each["VariantPropertyType"]
                    for each in request.get("ExcludeRetainedVariantProperties", [])
                }
                for kept, word in (
                    ("Weights", "DesiredWeight"),
                    ("Counts", "DesiredInstanceCount"),
                ):
                    if word not in left:
                        content[kept] |= {
                            variant: value
                            for variant, value in record.content[kept].items()
                            if variant in content[kept]
                        }
            await self._put(record, content)
        return {"EndpointArn": record.arn}

    async def _reweigh(self, request: dict[str, Any]) -> dict[str, Any]:
        async with self._records.lock:
            record = found(self._records, ENDPOINT, request["EndpointName"])
            self._check_in_service(record)
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
        record = found(self._records, ENDPOINT, request["EndpointName"])
        content, config = record.content, record.content["Config"]
        described = {
            "EndpointName": record.name,
            "EndpointArn": record.arn,
            "EndpointConfigName": config["EndpointConfigName"],
            "EndpointStatus": content["Status"],
            "FailureReason": content.get("FailureReason"),
            "CreationTime": moment(record.created_at),
            "LastModifiedTime": moment(record.modified_at),
            "LastDeploymentConfig": content.get("DeploymentConfig"),
            "DataCaptureConfig": _capture(config.get("DataCaptureConfig")),
            **{member: config.get(member) for member in DESCRIBED},
        }
        if content["Status"] == IN_SERVICE:
            for member in ("ProductionVariants", "ShadowProductionVariants"):
                described[member] = [
                    _variant(variant, record) for variant in config.get(member, [])
                ] or None
        return described

    async def _list(self, request: dict[str, Any]) -> dict[str, Any]:
        shown, token = page(self._records.all(ENDPOINT), request, _status_of)
        return {
            "Endpoints": [
                {
                    "EndpointName": each.name,
                    "EndpointArn": each.arn,
                    "CreationTime": moment(each.created_at),
                    "LastModifiedTime": moment(each.modified_at),
                    "EndpointStatus": _status_of(each),
                }
                for each in shown
            ],
            "NextToken": token,
        }

    def _check_free(self, name: str) -> None:
        for record in self._records.all(ENDPOINT):
            if record.name.lower() == name.lower():
                raise already_there(ENDPOINT, record.arn)

    def _check_in_service(self, record: Record) -> None:
        if _status_of(record) != IN_SERVICE:
            raise refused(
                f'Cannot update endpoint "{record.arn}": its status is {_status_of(record)}; delete'
                " it and create it anew"
            )

    def _content(self, request: dict[str, Any]) -> dict[str, Any]:
        """What an endpoint of the configuration is made of; raises ControlPlaneError."""
        config = found(self._records, CONFIG, request["EndpointConfigName"]).content
        variants = [*config["ProductionVariants"], *config.get("ShadowProductionVariants", [])]
        return {
            "Status": IN_SERVICE,
            "Config": config,
            "Sources": {
                name: self._source(name) for name in {each["ModelName"] for each in variants}
            },
            "Weights": {
                each["VariantName"]: each.get("InitialVariantWeight", 1.0) for each in variants
            },
            "Counts": {
                each["VariantName"]: each.get("InitialInstanceCount", 1) for each in variants
            },
            "DeploymentConfig": request.get("DeploymentConfig"),
        }

    def _source(self, model: str) -> dict[str, str]:
        container = container_of(found(self._records, MODEL, model).content)
        uri = s3_uri(container["ModelDataUrl"])
        return {
            "Mode": container.get("Mode", "SingleModel"),
            "Uri": uri if "/" in uri.removeprefix("s3://") else f"{uri}/",
            "Image": container.get("Image", ""),
        }

    async def _failure(self, content: Mapping[str, Any]) -> str:
        for source in content["Sources"].values():
            failure = await self._reach(source["Uri"], source["Mode"] == "MultiModel")
            if failure:
                return failure[:FAILURE_CHARS]
        return ""

    async def _put(self, record: Record, content: dict[str, Any]) -> None:
        await self._records.put(replace(record, modified_at=self._clock(), content=content))
        self._on_change(record.name)


def _status_of(record: Record) -> str:
    return str(record.content["Status"])


def _variant(variant: Mapping[str, Any], record: Record) -> dict[str, Any]:
    name = variant["VariantName"]
    image = record.content["Sources"][variant["ModelName"]]["Image"]
    weight, count = record.content["Weights"][name], record.content["Counts"][name]
    summary = {
        "VariantName": name,
        "CurrentWeight": weight,
        "DesiredWeight": weight,
        "CurrentInstanceCount": count,
        "DesiredInstanceCount": count,
        **{member: variant.get(member) for member in VARIANT_DESCRIBED},
    }
    if image:
        summary["DeployedImages"] = [
            {
                "SpecifiedImage": image,
                "ResolvedImage": image,
                "ResolutionTime": moment(record.created_at),
            }
        ]
    if "ServerlessConfig" in variant:
        summary |= {
            f"{word}ServerlessConfig": variant["ServerlessConfig"]
            for word in ("Current", "Desired")
        }
    return summary


def _capture(config: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What is said of data capture: none of it happens here."""
    if config is None:
        return None
    return {
        "EnableCapture": False,
        "CaptureStatus": "Stopped",
        "CurrentSamplingPercentage": config["InitialSamplingPercentage"],
        "DestinationS3Uri": config["DestinationS3Uri"],
        "KmsKeyId": config.get("KmsKeyId", ""),
    }
