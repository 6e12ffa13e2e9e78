"""The control plane's operations on transform jobs: create, describe, list, stop."""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mme.endpoints.operation import ControlPlaneError
from mme.jobs.transform.checks import check_request
from mme.jobs.transform.errors import TransformRefused
from mme.jobs.transform.job import IN_PROGRESS, OPEN, STOPPING, Job

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from mme.endpoints.operation import Operation
    from mme.jobs.transform.job import JobTable, ModelPlace
    from mme.jobs.transform.service import TransformJobs

DEFAULT_RESULTS = 10
NOT_DESCRIBED = ("Tags",)
SUMMARY_TIMES = (
    ("CreationTime", "created_at"),
    ("TransformEndTime", "ended_at"),
    ("LastModifiedTime", "modified_at"),
)


def arn_of(name: str) -> str:
    """The ARN of a job that is created now."""
    return f"arn:aws:sagemaker:us-east-1:000000000000:transform-job/{name.lower()}"


class Operations:
    """The four operations, over the jobs of an endpoint."""

    def __init__(
        self,
        table: JobTable,
        jobs: TransformJobs,
        resolve: Callable[[str], Awaitable[ModelPlace]],
        *,
        arn: Callable[[str], str] = arn_of,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`resolve` finds a created model by its name, or raises ControlPlaneError."""
        self._table = table
        self._jobs = jobs
        self._resolve = resolve
        self._arn = arn
        self._clock = clock

    def operations(self) -> Mapping[str, Operation]:
        """By the names of the service."""
        return {
            "CreateTransformJob": self._create,
            "DescribeTransformJob": self._describe,
            "ListTransformJobs": self._list,
            "StopTransformJob": self._stop,
        }

    async def _create(self, request: dict[str, Any]) -> dict[str, Any]:
        name = request["TransformJobName"]
        self._check_new(name)
        model = await self._resolve(request["ModelName"])
        try:
            check_request(request, model)
        except TransformRefused as error:
            raise ControlPlaneError("ValidationException", str(error)) from None
        self._check_new(name)
        now_s = self._clock()
        arn = self._arn(name)
        job = Job(name, arn, IN_PROGRESS, "", now_s, None, None, now_s, model, request)
        await self._table.put(job)
        self._jobs.start(name)
        return {"TransformJobArn": arn}

    async def _describe(self, request: dict[str, Any]) -> dict[str, Any]:
        job = self._found(request["TransformJobName"])
        told = {name: value for name, value in job.request.items() if name not in NOT_DESCRIBED}
        told |= {
            "TransformJobArn": job.arn,
            "TransformJobStatus": job.status,
            "CreationTime": _moment(job.created_at),
        }
        if job.failure:
            told["FailureReason"] = job.failure
        if job.started_at is not None:
            told["TransformStartTime"] = _moment(job.started_at)
        if job.ended_at is not None:
            told["TransformEndTime"] = _moment(job.ended_at)
        return told

    async def _list(self, request: dict[str, Any]) -> dict[str, Any]:
        shown, token = _page(self._table.all(), request)
        answer: dict[str, Any] = {"TransformJobSummaries": [_summary(job) for job in shown]}
        return answer | ({"NextToken": token} if token else {})

    async def _stop(self, request: dict[str, Any]) -> dict[str, Any]:
        job = self._found(request["TransformJobName"])
        if job.status not in OPEN:
            raise ControlPlaneError(
                "ValidationException",
                f"The request was rejected because the transform job is in status {job.status}",
            )
        if job.status == IN_PROGRESS:
            await self._table.put(job.at(STOPPING, self._clock()))
            self._jobs.stop(job.name)
        return {}

    def _found(self, name: str) -> Job:
        job = self._table.get(name)
        if job is None:
            raise ControlPlaneError(
                "ResourceNotFound", f"Could not find requested job with name: {name}"
            )
        return job

    def _check_new(self, name: str) -> None:
        existing = self._table.get(name)
        if existing is not None:
            raise ControlPlaneError(
                "ResourceInUse",
                "Job name must be unique within an AWS account and region, and a job with this"
                f" name already exists ({existing.arn})",
            )


def _summary(job: Job) -> dict[str, Any]:
    told: dict[str, Any] = {
        "TransformJobName": job.name,
        "TransformJobArn": job.arn,
        "TransformJobStatus": job.status,
    }
    for member, attribute in SUMMARY_TIMES:
        if (at_s := getattr(job, attribute)) is not None:
            told[member] = _moment(at_s)
    if job.failure:
        told["FailureReason"] = job.failure
    return told


def _moment(at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)


def _page(jobs: list[Job], request: Mapping[str, Any]) -> tuple[list[Job], str | None]:
    """The jobs that are asked for, and the token of the next page."""
    sort_by = request.get("SortBy", "CreationTime")

    def place(job: Job) -> tuple[str, str]:
        keys = {"Name": job.name, "Status": job.status}
        return keys.get(sort_by, f"{job.created_at:020.6f}"), job.name

    is_falling = request.get("SortOrder", "Descending") == "Descending"
    found = sorted((job for job in jobs if _is_wanted(job, request)), key=place, reverse=is_falling)
    if token := request.get("NextToken"):
        after = _place_in(token)
        found = [job for job in found if (place(job) < after) == is_falling and place(job) != after]
    most = request.get("MaxResults", DEFAULT_RESULTS)
    following = found[most:]
    token = base64.urlsafe_b64encode(json.dumps(place(found[most - 1])).encode()).decode()
    return found[:most], token if following else None


def _place_in(token: str) -> tuple[str, str]:
    try:
        match json.loads(base64.urlsafe_b64decode(token.encode())):
            case [str(key), str(name)]:
                return key, name
    except (ValueError, RecursionError):
        pass
    raise ControlPlaneError("ValidationException", "The NextToken is not one of this list's")


def _is_wanted(job: Job, request: Mapping[str, Any]) -> bool:
    return (
        request.get("NameContains", "").lower() in job.name.lower()
        and request.get("StatusEquals", job.status) == job.status
        and _is_within(job.created_at, request, "CreationTime")
        and _is_within(job.modified_at, request, "LastModifiedTime")
    )


def _is_within(at_s: float, request: Mapping[str, Any], member: str) -> bool:
    before, after = request.get(f"{member}Before"), request.get(f"{member}After")
    return (before is None or at_s < before.timestamp()) and (
        after is None or at_s >= after.timestamp()
    )
