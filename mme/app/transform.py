"""Transform jobs of a standalone endpoint, from its start to its end."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from mme.jobs.transform.operations import Operations
from mme.jobs.transform.s3_places import S3Places
from mme.jobs.transform.service import TransformJobs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from mme.core.database import Database
    from mme.endpoints.operation import Operation
    from mme.endpoints.records import Records
    from mme.pipelines.models import PipelinedModels
    from mme.store.buckets import Buckets


@contextlib.asynccontextmanager
async def transform_jobs(
    database: Database, records: Records, models: PipelinedModels, scratch: Path, buckets: Buckets
) -> AsyncIterator[Mapping[str, Operation]]:
    """The operations on transform jobs; what was in progress goes on at once.

    What is being written lies in `scratch`, which is cleared up also after a kill. Jobs name
    places in `buckets`.
    """
    jobs = TransformJobs(records, database, S3Places(buckets), models.invoke, scratch=scratch)
    await jobs.go_on()
    try:
        yield Operations(records, jobs).operations()
    finally:
        await jobs.close()
