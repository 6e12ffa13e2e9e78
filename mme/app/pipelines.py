"""The serial pipelines of a standalone endpoint, from its start to its end."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from mme.core.settings import SettingsError
from mme.pipelines.models import PipelinedModels
from mme.pipelines.reading import PipelineError, read_pipelines
from mme.pipelines.urls import Urls

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping

    from mme.core.settings import Settings
    from mme.pipelines.definition import Pipeline
    from mme.pipelines.models import Models

log = logging.getLogger(__name__)


def pipelines_of(settings: Settings) -> dict[str, Pipeline]:
    """The operator's pipelines by name. Raises SettingsError."""
    if settings.pipelines is None:
        return {}
    try:
        return read_pipelines(settings.pipelines)
    except PipelineError as error:
        raise SettingsError(f"MME_PIPELINES={str(settings.pipelines)!r}: {error}") from error


@contextlib.asynccontextmanager
async def pipelined(
    settings: Settings,
    pipelines: Mapping[str, Pipeline],
    models: Models,
    created: Collection[str],
) -> AsyncIterator[PipelinedModels]:
    """What answers for models and for pipelines of them, inside the block.

    `created` are the names of endpoints that were created: these answer as created.
    """
    for name in pipelines:
        if name in created:
            log.warning(
                "the pipeline %s of MME_PIPELINES does not answer: an endpoint of that name was"
                " created",
                name,
            )
    urls = Urls(
        timeout_s=settings.invoke_timeout_s,
        limit_bytes=settings.max_body_bytes,
        most_waiting=settings.queue_length,
    )
    if pipelines:
        log.info("pipelines: %s", ", ".join(sorted(pipelines)))
    try:
        yield PipelinedModels(models, pipelines, urls.ask, settings.invoke_timeout_s)
    finally:
        await urls.close()
