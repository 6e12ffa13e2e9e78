"""CloudWatch's embedded metric format: lines of JSON that CloudWatch Logs makes metrics of.

A line holds what was counted and measured since the one before, so a minute of requests costs one
line. Sets of statistics stand as CloudWatch's own agent writes them. A namespace that begins with
`AWS/` is Amazon's, so these have one of ours; names and units are SageMaker's.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from typing import TYPE_CHECKING, Any

from mme.metrics.cloudwatch import Set, dimensions_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from mme.metrics.cloudwatch import CloudWatch, Datum
    from mme.metrics.sources import Sources

log = logging.getLogger(__name__)

NAMESPACE = "MultiModelEndpoint"
EVERY_S = 60.0


def line_of(
    data: Sequence[Datum], dimensions: dict[str, str], told: dict[str, Any], wall_s: float
) -> str:
    """One line, without its end; `told` are further members, which are no metrics."""
    metrics = [{"Name": each.name, "Unit": each.unit} for each in data]
    content: dict[str, Any] = {
        "_aws": {
            "Timestamp": int(wall_s * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": NAMESPACE,
                    "Dimensions": [list(dimensions)],
                    "Metrics": metrics,
                }
            ],
        },
        **told,
        **dimensions,
        **{each.name: _value(each.value) for each in data},
    }
    return json.dumps(content, separators=(",", ":"))


class Emitter:
    """Writes a line each minute, and one more at the end."""

    def __init__(
        self,
        cloudwatch: CloudWatch,
        sources: Sources,
        write: Callable[[str], object],
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`write` is given a line without its end."""
        self._cloudwatch = cloudwatch
        self._write = write
        self._clock = clock
        self._sleep = sleep
        self._dimensions = dimensions_of(sources)
        self._told = {"mode": sources.mode, "version": sources.version}

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Inside the block lines are written."""
        task = asyncio.create_task(self.keep_writing(), name="embedded metrics")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self.write_line()

    async def keep_writing(self) -> None:
        """Write a line at each full minute."""
        while True:
            # At the full minute, as CloudWatch puts them together.
            await self._sleep(EVERY_S - self._clock() % EVERY_S)
            self.write_line()

    def write_line(self) -> None:
        """Write what came since the last line."""
        try:
            data = self._cloudwatch.since_last()
            self._write(line_of(data, self._dimensions, self._told, self._clock()))
        except OSError as error:
            log.debug("no embedded metrics: %s", error)


def _value(value: float | Set) -> object:
    if isinstance(value, Set):
        return {"Max": value.most, "Min": value.least, "Count": value.count, "Sum": value.total}
    return value
