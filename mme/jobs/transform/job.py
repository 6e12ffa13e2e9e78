"""A transform job as it is kept: what was asked for, on which model, how far it is."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlite3

    from mme.core.database import Database

IN_PROGRESS, COMPLETED, FAILED = "InProgress", "Completed", "Failed"
STOPPING, STOPPED = "Stopping", "Stopped"
OPEN = (IN_PROGRESS, STOPPING)
TABLE = """\
CREATE TABLE IF NOT EXISTS transform_jobs (
    name TEXT PRIMARY KEY, arn TEXT NOT NULL, status TEXT NOT NULL, failure TEXT NOT NULL,
    created_at REAL NOT NULL, started_at REAL, ended_at REAL, modified_at REAL NOT NULL,
    model TEXT NOT NULL, request TEXT NOT NULL) WITHOUT ROWID
"""
COLUMNS = (
    "name, arn, status, failure, created_at, started_at, ended_at, modified_at, model, request"
)


@dataclass(frozen=True, slots=True)
class ModelPlace:
    """Where the artifact of a created model is, or those of a multi-model one."""

    uri: str
    """Of the archive; of a multi-model one, what a target is appended to."""
    is_multi: bool


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
    model: ModelPlace
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


class JobTable:
    """All jobs, in memory for questions and in the database for the next start."""

    def __init__(self, database: Database, jobs: list[Job]) -> None:
        self._database = database
        self._jobs = {job.name: job for job in jobs}

    @classmethod
    async def open(cls, database: Database) -> JobTable:
        """The jobs in `database`. Raises sqlite3.Error."""
        return cls(database, await database.run(_read))

    def get(self, name: str) -> Job | None:
        """The job of that name."""
        return self._jobs.get(name)

    def all(self) -> list[Job]:
        """All of them, in the order of their making."""
        return list(self._jobs.values())

    async def put(self, job: Job) -> None:
        """Keep a job, new or changed; returns when it is on the disk."""
        row = (
            job.name, job.arn, job.status, job.failure,
            job.created_at, job.started_at, job.ended_at, job.modified_at,
            json.dumps([job.model.uri, job.model.is_multi]), json.dumps(job.request),
        )  # fmt: skip
        before = self._jobs.get(job.name)
        self._jobs[job.name] = job  # at once: a second job of the name must not come between
        marks = ", ".join("?" * len(row))
        try:
            await self._database.run(
                lambda db: db.execute(
                    f"INSERT OR REPLACE INTO transform_jobs ({COLUMNS}) VALUES ({marks})",  # noqa: S608 - no data
                    row,
                )
            )
        except Exception:
            if before is None:
                self._jobs.pop(job.name, None)
            else:
                self._jobs[job.name] = before
            raise


def _read(db: sqlite3.Connection) -> list[Job]:
    db.execute(TABLE)
    rows = db.execute(f"SELECT {COLUMNS} FROM transform_jobs ORDER BY created_at, name")  # noqa: S608
    return [_job(*row) for row in rows]


def _job(*row: Any) -> Job:
    *facts, model, request = row
    return Job(*(*facts, ModelPlace(*json.loads(model)), json.loads(request)))
