"""The three servers, each a surface over its engine, and what runs one of them.

They are `web.Server`s, not applications: routing and errors are the exchange's, and what an
application adds to a request is half of its time. To be made on the event loop that runs them.
"""

from __future__ import annotations

import os
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from aiohttp import web

from mme.core.version import VERSION
from mme.gateway.connections import Patience, most_connections
from mme.gateway.control_plane import ControlPlaneSurface
from mme.gateway.exchange import Exchange
from mme.gateway.management import Management
from mme.gateway.open_inference.errors import OPEN_INFERENCE_ERRORS
from mme.gateway.open_inference.names import ROOT
from mme.gateway.openapi.surface import OpenApi
from mme.gateway.page import Page
from mme.gateway.pipelines import PipelineViews
from mme.gateway.platform import PLATFORM_ERRORS, PlatformSurface
from mme.gateway.ports import public_only
from mme.gateway.runtime import Runtime
from mme.gateway.service_errors import SERVICE_ERRORS
from mme.gateway.single import SINGLE_ERRORS, SingleSurface
from mme.gateway.sites import Sites
from mme.gateway.streaming import Streaming
from mme.metrics.http_counts import GRPC

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mme.core.settings import Settings
    from mme.endpoints.operation import Operation
    from mme.endpoints.serving import Serving
    from mme.gateway.bodies import BodyBudget
    from mme.gateway.connections import Door
    from mme.gateway.engine import Platform, Sole, Standalone
    from mme.gateway.errors import ErrorTable
    from mme.gateway.gate import Gate
    from mme.gateway.routing import Route
    from mme.metrics.http_counts import HttpCounts
    from mme.pipelines.definition import Pipeline

MANAGEMENT_SHARE = 4
"""The management port has this part of the connections that callers have, beside theirs."""


def make_app(
    settings: Settings,
    engine: Standalone,
    serving: Serving,
    bodies: BodyBudget,
    operations: Mapping[str, Operation] | None = None,
    *,
    asynchronous: Iterable[Route] = (),
    more: Iterable[Route] = (),
    is_sample: Callable[[str], bool] = lambda _: False,
    pipelines: Mapping[str, Pipeline] = MappingProxyType({}),
    gate: Gate | None = None,
    counts: HttpCounts | None = None,
) -> Door:
    """The standalone endpoint: runtime, management and control plane, on one port or on two.

    `pipelines` are the operator's, by name; `asynchronous` the routes of `AsyncRuntime`, `more`
    those of further surfaces. `gate` is before all of them, None where anybody may ask anything.
    Where management has a port of its own, what answers there is the `management` of what is
    returned. Requests are counted in `counts`.
    """
    views = PipelineViews(pipelines, engine)
    routes = Runtime(settings, serving, is_sample).routes() + Management(engine, views).routes()
    routes += [*asynchronous, *more]
    routes += Streaming(settings, serving, is_sample).routes()
    plane = ControlPlaneSurface(operations or {}, os.environ.get("AWS_REGION"))
    routes += plane.routes()
    routes += Page(engine, views, routes).routes()
    routes += OpenApi(routes, VERSION, plane.schemas).routes()
    if gate is not None:
        routes = gate.guarded(routes)
    return _doors(settings, routes, bodies, counts)


def make_platform_app(
    settings: Settings,
    engine: Platform,
    bodies: BodyBudget,
    *,
    more: Iterable[Route] = (),
    counts: HttpCounts | None = None,
) -> Door:
    """The multi-model container; `more` and `counts` as above."""
    routes = [*PlatformSurface(settings, engine).routes(), *more]
    most = most_connections(settings.max_connections)
    return _server(settings, PLATFORM_ERRORS, bodies, routes, most=most, counts=counts)


def make_single_app(
    settings: Settings,
    engine: Sole,
    bodies: BodyBudget,
    *,
    more: Iterable[Route] = (),
    counts: HttpCounts | None = None,
) -> Door:
    """The single-model container; `more` and `counts` as above."""
    routes = [*SingleSurface(settings, engine).routes(), *more]
    most = most_connections(settings.max_connections)
    return _server(settings, SINGLE_ERRORS, bodies, routes, most=most, counts=counts)


def make_grpc_exchange(
    settings: Settings,
    routes: Iterable[Route],
    bodies: BodyBudget,
    *,
    gate: Gate | None = None,
    counts: HttpCounts | None = None,
) -> Exchange:
    """What calls of gRPC go through: `routes` as they are at the public port, for its callers."""
    if gate is not None:
        routes = gate.by_tokens().guarded(routes)
    if settings.management_port is not None:
        routes = public_only(routes, _management_place(settings))
    return Exchange(
        routes,
        OPEN_INFERENCE_ERRORS,
        bodies,
        counts=counts,
        logs_payloads=settings.log_payloads,
        way=GRPC,
    )


def runner_of(server: web.Server, drain_timeout_s: float) -> web.ServerRunner:
    """What serves on sockets; its `cleanup` gives running requests `drain_timeout_s` to end."""
    return web.ServerRunner(server, shutdown_timeout=drain_timeout_s)


def _doors(
    settings: Settings, routes: list[Route], bodies: BodyBudget, counts: HttpCounts | None
) -> Door:
    """The standalone endpoint's server, or servers if management has one to itself."""
    most = most_connections(settings.max_connections)
    wants_certificate = settings.tls_client_ca is not None
    below = {ROOT: OPEN_INFERENCE_ERRORS}
    at_port = partial(_server, settings, SERVICE_ERRORS, bodies, counts=counts, below=below)
    beside: Door | None = None
    if settings.management_port is not None:
        host = settings.management_host or settings.host
        beside = at_port(
            routes,
            most=max(1, most // MANAGEMENT_SHARE),
            guard=Sites(host, settings.allowed_hosts).check_host,
            needs_certificate=wants_certificate,
        )
        routes = public_only(routes, _management_place(settings))
    if settings.socket is not None:  # which no web page can reach
        door = at_port(routes, most=most)
    else:
        guard = Sites(settings.host, settings.allowed_hosts).check_host
        door = at_port(routes, most=most, guard=guard, needs_certificate=wants_certificate)
    door.management = beside
    return door


def _management_place(settings: Settings) -> str:
    return f"the port of management (MME_MANAGEMENT_PORT={settings.management_port})"


def _server(
    settings: Settings,
    errors: ErrorTable,
    bodies: BodyBudget,
    routes: Iterable[Route],
    *,
    most: int,
    guard: Callable[[Mapping[str, str]], None] | None = None,
    needs_certificate: bool = False,
    counts: HttpCounts | None = None,
    below: Mapping[str, ErrorTable] | None = None,
) -> Door:
    exchange = Exchange(
        routes,
        errors,
        bodies,
        guard=guard,
        needs_certificate=needs_certificate,
        counts=counts,
        logs_payloads=settings.log_payloads,
        below=below,
    )
    return exchange.server(Patience(most))
