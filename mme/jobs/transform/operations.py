"""The control plane's operations on transform jobs: create, describe, list, stop."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from mme.endpoints.arns import arn_of
from mme.endpoints.definitions import check_room, moment
from mme.endpoints.listing import page
from mme.endpoints.operation import ControlPlaneError
from mme.endpoints.tags import tag_record
from mme.jobs.transform.checks import check_request
from mme.jobs.transform.errors import TransformRefused
from mme.jobs.transform.job import IN_PROGRESS, KIND, OPEN, STOPPING, Job, job_of
from mme.jobs.transform.models import created_model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mme.endpoints.operation import Operation
    from mme.endpoints.records import Record, Records
    from mme.jobs.transform.service import TransformJobs

SUMMARY_TIMES = (
    ("CreationTime", "created_at"),
    ("TransformEndTime", "ended_at"),
    ("LastModifiedTime", "modified_at"),
)


class Operations:
    """The four operations, over the jobs of an endpoint."""

    def __init__(
        self,
        records: Records,
        jobs: TransformJobs,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._records = records
        self._jobs = jobs
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
        model = created_model(self._records, request["ModelName"])
        try:
            check_request(request, model)
        except TransformRefused as error:
            raise ControlPlaneError("ValidationException", str(error)) from None
        content = dict(request)
        tags = content.pop("Tags", [])
        async with self._records.lock:
            self._check_new(name)
            now_s = self._clock()
            arn = arn_of(KIND, name.lower())
            job = Job(name, arn, IN_PROGRESS, "", now_s, None, None, now_s, model, content)
            await self._records.put(job.record(), tag_record(arn, tags, now_s))
        self._jobs.start(name)
        return {"TransformJobArn": arn}

    async def _describe(self, request: dict[str, Any]) -> dict[str, Any]:
        job = self._found(request["TransformJobName"])
        told = {
            **job.request,
            "TransformJobArn": job.arn,
            "TransformJobStatus": job.status,
            "CreationTime": moment(job.created_at),
        }
        if job.failure:
            told["FailureReason"] = job.failure
        if job.started_at is not None:
            told["TransformStartTime"] = moment(job.started_at)
        if job.ended_at is not None:
            told["TransformEndTime"] = moment(job.ended_at)
        return told

    async def _list(self, request: dict[str, Any]) -> dict[str, Any]:
        shown, token = page(self._records.all(KIND), request, _status)
        answer: dict[str, Any] = {
            "TransformJobSummaries": [_summary(job_of(each)) for each in shown]
        }
        return answer | ({"NextToken": token} if token else {})

    async def _stop(self, request: dict[str, Any]) -> dict[str, Any]:
        async with self._records.lock:
            job = self._found(request["TransformJobName"])
            if job.status not in OPEN:
                raise ControlPlaneError(
                    "ValidationException",
                    f"The request was rejected because the transform job is in status {job.status}",
                )
            if job.status == IN_PROGRESS:
                await self._records.put(job.at(STOPPING, self._clock()).record())
        self._jobs.stop(job.name)
        return {}

    def _found(self, name: str) -> Job:
        record = self._records.get(KIND, name)
        if record is None:
            raise ControlPlaneError(
                "ResourceNotFound", f"Could not find requested job with name: {name}"
            )
        return job_of(record)

    def _check_new(self, name: str) -> None:
        existing = self._records.get(KIND, name)
        if existing is not None:
            raise ControlPlaneError(
                "ResourceInUse",
                "Job name must be unique within an AWS account and region, and a job with this"
                f" name already exists ({existing.arn})",
            )
        check_room(self._records, KIND)


def _status(record: Record) -> str:
    return job_of(record).status


def _summary(job: Job) -> dict[str, Any]:
    told: dict[str, Any] = {
        "TransformJobName": job.name,
        "TransformJobArn": job.arn,
        "TransformJobStatus": job.status,
    }
    for member, attribute in SUMMARY_TIMES:
        if (at_s := getattr(job, attribute)) is not None:
            told[member] = moment(at_s)
    if job.failure:
        told["FailureReason"] = job.failure
    return told
