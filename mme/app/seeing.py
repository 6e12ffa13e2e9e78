"""The surfaces of a standalone endpoint that show what it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mme.app.modes import Mode
from mme.core.request_ring import RING
from mme.core.version import VERSION
from mme.gateway.logs import Logs
from mme.gateway.pipelines import PipelineViews
from mme.gateway.request_trace import RequestTrace
from mme.gateway.seeing import Seeing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mme.gateway.routing import Route
    from mme.pipelines.definition import Pipeline
    from mme.residency.store_models import StoreModels


def seeing_routes(
    models: StoreModels, pipelines: Mapping[str, Pipeline], trace_requests: int
) -> list[Route]:
    """The routes of all of them; `pipelines` are the operator's."""
    facts: dict[str, object] = {"mode": Mode.STANDALONE.value, "version": VERSION}
    RING.keep(trace_requests)
    return [
        *Seeing(models, facts, PipelineViews(pipelines, models)).routes(),
        *Logs().routes(),
        *RequestTrace().routes(),
    ]
