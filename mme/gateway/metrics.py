"""What collectors of metrics ask: `/metrics` for Prometheus, `/cloudwatch-metrics` in JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import hdrs, web

from mme.core.errors import InvalidRequest
from mme.gateway.errors import json_answer
from mme.gateway.openapi import Parameter, Result, described
from mme.gateway.openapi.schemas import TEXT, array_of, thing
from mme.metrics.cloudwatch import CALLS, NAMESPACES
from mme.metrics.exposition import OPENMETRICS

if TYPE_CHECKING:
    from mme.gateway.exchange import Call
    from mme.gateway.routing import Route
    from mme.metrics.cloudwatch import CloudWatch
    from mme.metrics.exposition import Exposition

SEEING = "seeing"


class MetricsSurface:
    """Handlers of the routes."""

    def __init__(self, exposition: Exposition, cloudwatch: CloudWatch) -> None:
        self._exposition = exposition
        self._cloudwatch = cloudwatch

    def routes(self) -> list[Route]:
        """The routes of this surface."""
        return [
            ("GET", "/metrics", self.metrics),
            ("GET", "/cloudwatch-metrics", self.cloudwatch_metrics),
        ]

    @described(Result("All metrics.", TEXT, ("text/plain", OPENMETRICS)), tag=SEEING)
    async def metrics(self, call: Call) -> web.Response:
        """All metrics, in Prometheus's format or OpenMetrics, as the header `Accept` has it."""
        text, content_type = self._exposition.text(call.request.headers.get(hdrs.ACCEPT, ""))
        return web.Response(body=text, headers={hdrs.CONTENT_TYPE: content_type})

    @described(
        Result(
            "Metrics as PutMetricData takes them.",
            thing({"Namespace": TEXT, "MetricData": array_of({"type": "object"})}),
        ),
        parameters=(
            Parameter("namespace", "Whose metrics.", {"type": "string", "enum": list(NAMESPACES)}),
        ),
        tag=SEEING,
    )
    async def cloudwatch_metrics(self, call: Call) -> web.Response:
        """The metrics SageMaker has of multi-model endpoints, as PutMetricData takes them."""
        namespace = call.request.query.get("namespace", CALLS)
        if namespace not in NAMESPACES:
            raise InvalidRequest(f"namespace={namespace[:60]!r} is none of {', '.join(NAMESPACES)}")
        return json_answer(self._cloudwatch.put_metric_data(namespace))
