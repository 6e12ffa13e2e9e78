"""Whether and where traces go, by OpenTelemetry's own variables (`OTEL_*`), which are read here.

Traces are wanted where an exporter is configured: `OTEL_TRACES_EXPORTER` (`otlp`, `console`), or
the address of a collector, `OTEL_EXPORTER_OTLP_ENDPOINT`. Then, and only then, is the SDK imported;
sampling, resource and batches are its own business. What is wanted and cannot be is told once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from opentelemetry.sdk.trace import TracerProvider

    from mme.metrics.sources import Sources

log = logging.getLogger(__name__)

EXPORTERS = "OTEL_TRACES_EXPORTER"
ADDRESSES = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
OTLP, CONSOLE, HTTP = "otlp", "console", "http/protobuf"
CLOSE_S = 2.0
"""How long the last spans may take to leave when the endpoint ends."""


class NoTraces(ValueError):
    """Traces are wanted, but not possible as they are wanted; the message says why."""


def exporter_wanted(environ: Mapping[str, str]) -> str | None:
    """`otlp` or `console`; None: no traces are wanted. Raises NoTraces."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    named = environ.get(EXPORTERS, "").strip()
    if not named:
        return _otlp(environ) if any(environ.get(name) for name in ADDRESSES) else None
    match named:
        case "none":
            return None
        case "console":
            return CONSOLE
        case "otlp":
            return _otlp(environ)
        case _:
            raise NoTraces(f"{EXPORTERS}={named[:60]!r}: use {OTLP}, {CONSOLE} or none")


@contextlib.asynccontextmanager
async def traced(sources: Sources, environ: Mapping[str, str]) -> AsyncIterator[None]:
    """Inside the block invocations become spans, if that is wanted."""
    provider = _provider(environ, sources.version)
    if provider is None:
        yield
        return
    from mme.metrics.tracing import Tracing

    tracing = Tracing(provider, sources.version)
    sources.http.on_begin = tracing.began
    sources.observed.followers.append(tracing.follow)
    try:
        yield
    finally:
        sources.observed.followers.remove(tracing.follow)
        sources.http.on_begin = None
        await _closed(provider)


def _otlp(environ: Mapping[str, str]) -> str:
    for name in PROTOCOLS:
        if environ.get(name, HTTP) != HTTP:
            raise NoTraces(f"{name}={environ[name][:60]!r}: only {HTTP} is spoken here")
    return OTLP


def _provider(environ: Mapping[str, str], version: str) -> TracerProvider | None:
    try:
        wanted = exporter_wanted(environ)
        return None if wanted is None else _made(wanted, environ, version)
    except NoTraces as error:
        log.warning("there are no traces: %s", error)
    except ImportError as error:
        log.warning("there are no traces: %s; install the extra mme[traces]", error)
    return None


def _made(wanted: str, environ: Mapping[str, str], version: str) -> TracerProvider:
    """The SDK's provider; it may not be installed. Raises ImportError."""
    # ruff: noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

    attributes = {"service.version": version}
    if "service.name" not in environ.get("OTEL_RESOURCE_ATTRIBUTES", ""):
        # Else the resource's own would win over what its operator says.
        attributes["service.name"] = environ.get("OTEL_SERVICE_NAME") or "mme"
    provider = TracerProvider(resource=Resource.create(attributes))
    exporter = ConsoleSpanExporter() if wanted == CONSOLE else OTLPSpanExporter()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    log.info("invocations are traced, by the exporter %s", wanted)
    return provider


async def _closed(provider: TracerProvider) -> None:
    """Have the last spans sent, for so long and no longer: a collector may not answer."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def close() -> None:
        provider.shutdown()
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(done.set)

    threading.Thread(target=close, name="last spans", daemon=True).start()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_S):
            await done.wait()
