"""A transform job as it is kept: what was asked for, on which model, how far it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from mme.endpoints.containers import Containers
from mme.endpoints.records import Record

IN_PROGRESS, COMPLETED, FAILED = "InProgress", "Completed", "Failed"
STOPPING, STOPPED = "Stopping", "Stopped"
OPEN = (IN_PROGRESS, STOPPING)
KIND = "transform-job"
"""What records and ARNs call it."""


@dataclass(frozen=True, slots=True)
class Job:
    """One job; times in seconds since the epoch."""

    name: str
    arn: str
    status: str
    failure: str
    created_at: float
    started_at: float | None
    ended_at: float | None
    modified_at: float
    model: Containers
    request: dict[str, Any]
    """As it was sent; not to be changed."""

    def at(self, status: str, now_s: float, failure: str = "") -> Job:
        """The job when it has come to another status."""
        is_over = status not in OPEN
        return replace(
            self,
            status=status,
            failure=failure,
            modified_at=now_s,
            ended_at=now_s if is_over else None,
        )

    def record(self) -> Record:
        """As it is kept."""
        content = {
            "Status": self.status,
            "FailureReason": self.failure,
            "StartedAt": self.started_at,
            "EndedAt": self.ended_at,
            "Model": self.model.as_json(),
            "Request": self.request,
        }
        return Record(KIND, self.name, self.arn, self.created_at, self.modified_at, content)


def job_of(record: Record) -> Job:
    """The job that a record describes."""
    content = record.content
    return Job(
        name=record.name,
        arn=record.arn,
        status=content["Status"],
        failure=content["FailureReason"],
        created_at=record.created_at,
        started_at=content["StartedAt"],
        ended_at=content["EndedAt"],
        modified_at=record.modified_at,
        model=Containers.from_json(content["Model"]),
        request=content["Request"],
    )
