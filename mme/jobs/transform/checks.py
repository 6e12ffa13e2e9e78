"""What of a CreateTransformJob request cannot be done here, or by the service either."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from mme.core.errors import InvalidRequest
from mme.core.names import check_target
from mme.jobs.transform.errors import TransformRefused
from mme.jobs.transform.inputs import MANIFEST, PREFIX
from mme.jobs.transform.spec import from_request
from mme.jobs.transform.targets import OneTarget, TargetColumn, TargetPattern

if TYPE_CHECKING:
    from mme.endpoints.containers import Containers
    from mme.jobs.transform.targets import Targets

log = logging.getLogger(__name__)

TARGET, COLUMN, PATTERN = "MME_TARGET_MODEL", "MME_TARGET_COLUMN", "MME_TARGET_PATTERN"
"""How a job names the targets of a multi-model model, in its Environment: the API has no member."""


def check_request(request: dict[str, Any], model: Containers) -> None:
    """Raise TransformRefused for a request that cannot be done."""
    source = request["TransformInput"]["DataSource"]["S3DataSource"]
    if source["S3DataType"] not in (PREFIX, MANIFEST):
        raise TransformRefused(
            f"S3DataType {source['S3DataType']} is not served here: use {PREFIX} or {MANIFEST}"
        )
    for name, uri in (
        ("S3Uri", source["S3Uri"]),
        ("S3OutputPath", request["TransformOutput"]["S3OutputPath"]),
    ):
        bucket = uri.removeprefix("s3://").partition("/")[0]
        if not uri.startswith("s3://") or not bucket:
            raise TransformRefused(f"{name} {uri!r} must be s3://bucket/prefix")
    if model.is_direct:
        raise TransformRefused(
            f"{request['ModelName']} has containers of the mode Direct, of which no request of a"
            " transform job names one"
        )
    from_request(request)
    targets_of(request, model)
    if "DataCaptureConfig" in request:
        log.info("transform job %s: no data is captured here", request["TransformJobName"])


def targets_of(request: dict[str, Any], model: Containers) -> Targets:
    """The models that a job's records go to. Raises TransformRefused."""
    environment = request.get("Environment", {})
    named = [name for name in (TARGET, COLUMN, PATTERN) if environment.get(name)]
    if not model.is_multi:
        if named:
            has = "has no multi-model container" if model.is_serial else "is one model"
            raise TransformRefused(
                f"{request['ModelName']} {has}: {named[0]} in Environment is for multi-model ones"
            )
        return OneTarget("")
    if len(named) != 1:
        raise TransformRefused(
            f"{request['ModelName']} is a multi-model one: name its target model in Environment, by"
            f" one of {TARGET}, {COLUMN} and {PATTERN}"
        )
    value = environment[named[0]]
    if named[0] == COLUMN:
        return TargetColumn(value, request["TransformInput"].get("ContentType", ""))
    if named[0] == PATTERN:
        return TargetPattern(value)
    try:
        return OneTarget(check_target(value))
    except InvalidRequest as error:
        raise TransformRefused(f"{TARGET}: {error.message}") from None
