"""What an endpoint is made of, as one record, and how DescribeEndpoint tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mme.endpoints.containers import Containers
from mme.endpoints.definitions import CONFIG, MODEL, found, moment
from mme.endpoints.live import IN_SERVICE
from mme.endpoints.refusals import containers_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mme.endpoints.records import Record, Records

DESCRIBED = ("AsyncInferenceConfig", "MetricsConfig", "CrossRegionTrafficConfig")
"""What of a configuration an endpoint's description repeats."""
VARIANT_DESCRIBED = ("ManagedInstanceScaling", "RoutingConfig")
VARIANTS = ("ProductionVariants", "ShadowProductionVariants")


def snapshot(records: Records, config_name: str) -> dict[str, Any]:
    """The content of an endpoint of a configuration. Raises ControlPlaneError."""
    config = found(records, CONFIG, config_name).content
    variants = [variant for member in VARIANTS for variant in config.get(member, [])]
    containers = {
        name: containers_in(found(records, MODEL, name).content)
        for name in sorted({each["ModelName"] for each in variants})
    }
    return {
        "Status": IN_SERVICE,
        "Config": config,
        "Sources": {name: each.as_json() for name, each in containers.items()},
        "Weights": {
            each["VariantName"]: each.get("InitialVariantWeight", 1.0) for each in variants
        },
        "Counts": {each["VariantName"]: each.get("InitialInstanceCount", 1) for each in variants},
    }


def status_of(record: Record) -> str:
    """The status of an endpoint."""
    return str(record.content["Status"])


def described(record: Record) -> dict[str, Any]:
    """The answer of DescribeEndpoint."""
    content, config = record.content, record.content["Config"]
    answer = {
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
        for member in VARIANTS:
            answer[member] = [_variant(each, record) for each in config.get(member, [])] or None
    return answer


def summary(record: Record) -> dict[str, Any]:
    """An endpoint in a list."""
    return {
        "EndpointName": record.name,
        "EndpointArn": record.arn,
        "CreationTime": moment(record.created_at),
        "LastModifiedTime": moment(record.modified_at),
        "EndpointStatus": status_of(record),
    }


def _variant(variant: Mapping[str, Any], record: Record) -> dict[str, Any]:
    name = variant["VariantName"]
    containers = Containers.from_json(record.content["Sources"][variant["ModelName"]]).all
    weight, count = record.content["Weights"][name], record.content["Counts"][name]
    told = {
        "VariantName": name,
        "CurrentWeight": weight,
        "DesiredWeight": weight,
        **{member: variant.get(member) for member in VARIANT_DESCRIBED},
    }
    words = ("Current", "Desired")
    if "ServerlessConfig" in variant:
        told |= {f"{word}ServerlessConfig": variant["ServerlessConfig"] for word in words}
    else:
        told |= {f"{word}InstanceCount": count for word in words}
    images = [each.image for each in containers if each.image]
    if images:
        at = moment(record.created_at)
        told["DeployedImages"] = [
            {"SpecifiedImage": image, "ResolvedImage": image, "ResolutionTime": at}
            for image in images
        ]
    return told


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
