"""Invocations as OpenTelemetry's spans: one each, with a child for each stage that took time.

A span is made when its invocation is over, from what was measured of it anyway, so that nothing is
done while it runs. It continues the trace that its HTTP request tells of (`traceparent`); what no
request has asked for - asynchronous and batch work - begins one of its own. Imported only where
traces are wanted: OpenTelemetry need not be installed. How spans leave is in `mme.app.tracing`.
"""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from mme.core.spent import STAGES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.trace import Span, TracerProvider

    from mme.core.timing import StepTime
    from mme.residency.observed import Invocation

SERVER_ERRORS = 500
COMPUTING = "model"
"""The stage that an ensemble's steps are done in."""
NS = 1_000_000_000

_incoming: ContextVar[tuple[Mapping[str, str], str] | None] = ContextVar("incoming", default=None)
"""The headers and the id of the HTTP request that is answered in this context."""


class Tracing:
    """Makes the spans of one endpoint."""

    def __init__(self, provider: TracerProvider, version: str) -> None:
        self._tracer = provider.get_tracer("mme", version)
        # Alone: of other headers the SDK would write into the log what callers send.
        self._propagator = TraceContextTextMapPropagator()

    def began(self, headers: Mapping[str, str], request_id: str) -> None:
        """An HTTP request is answered from here on, in this context."""
        _incoming.set((headers, request_id))

    def follow(self, invocation: Invocation) -> None:
        """An invocation is over."""
        headers, request_id = _incoming.get() or ({}, "")
        end_ns = time.time_ns()
        start_ns = end_ns - int(invocation.seconds * NS)
        span = self._tracer.start_span(
            "invoke",
            # Not below whatever else is current here.
            self._propagator.extract(headers, Context()),
            SpanKind.SERVER,
            start_time=start_ns,
        )
        if span.is_recording():
            self._tell(span, invocation, request_id, start_ns)
        span.end(end_time=end_ns)

    def _tell(self, span: Span, invocation: Invocation, request_id: str, start_ns: int) -> None:
        span.set_attribute("mme.target_model", invocation.target)
        span.set_attribute("mme.outcome", invocation.outcome)
        if request_id:
            span.set_attribute("mme.request_id", request_id)
        if invocation.error:
            span.set_attribute("error.type", invocation.error)
            span.set_status(Status(StatusCode.ERROR, invocation.error))
        else:
            span.set_attribute("http.response.status_code", invocation.status)
            if invocation.status >= SERVER_ERRORS:
                span.set_status(Status(StatusCode.ERROR))
        below = trace.set_span_in_context(span, Context())
        for stage in STAGES:
            seconds = getattr(invocation.timing, f"{stage}_s")
            if seconds > 0:
                child = self._tracer.start_span(stage, below, start_time=start_ns)
                if stage == COMPUTING:
                    self._tell_steps(invocation.steps, child, start_ns)
                start_ns += int(seconds * NS)
                child.end(end_time=start_ns)

    def _tell_steps(self, steps: Sequence[StepTime], computing: Span, start_ns: int) -> None:
        """A span for each step of an ensemble, which does one after the other."""
        below = trace.set_span_in_context(computing, Context())
        for name, seconds in steps:
            child = self._tracer.start_span("step", below, start_time=start_ns)
            child.set_attribute("mme.step", name)
            start_ns += int(seconds * NS)
            child.end(end_time=start_ns)
