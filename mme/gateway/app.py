"""The three servers, each a surface over its engine, and what runs one of them.

They are `web.Server`s, not applications: routing and errors are the exchange's, and what an
application adds to a request is half of its time. To be made on the event loop that runs them.
"""

from __future__ import annotations

import os
from importlib.metadata import version
from typing import TYPE_CHECKING

from aiohttp import web

from mme.gateway.connections import Patience, most_connections
from mme.gateway.control_plane import ControlPlaneSurface
from mme.gateway.exchange import Exchange
from mme.gateway.management import Management
from mme.gateway.openapi.surface import OpenApi
from mme.gateway.page import Page
from mme.gateway.platform import PLATFORM_ERRORS, PlatformSurface
from mme.gateway.runtime import Runtime
from mme.gateway.service_errors import SERVICE_ERRORS
from mme.gateway.single import SINGLE_ERRORS, SingleSurface
from mme.gateway.sites import Sites
from mme.gateway.streaming import Streaming

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mme.core.settings import Settings
    from mme.endpoints.operation import Operation
    from mme.endpoints.serving import Serving
    from mme.gateway.bodies import BodyBudget
    from mme.gateway.engine import Platform, Sole, Standalone
    from mme.gateway.errors import ErrorTable
    from mme.gateway.routing import Route


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
) -> web.Server:
    """The standalone endpoint: runtime, management and control plane on one port.

    `asynchronous` are the routes of `AsyncRuntime`, `more` those of further surfaces.
    """
    routes = Runtime(settings, serving, is_sample).routes() + Management(engine).routes()
    routes += [*asynchronous, *more]
    routes += Streaming(settings, serving, is_sample).routes()
    plane = ControlPlaneSurface(operations or {}, os.environ.get("AWS_REGION"))
    routes += plane.routes()
    routes += Page(engine, routes).routes()
    routes += OpenApi(routes, version("mme"), plane.schemas).routes()
    guard = Sites(settings.host, settings.allowed_hosts).check_host
    return _server(settings, routes, SERVICE_ERRORS, bodies, guard)


def make_platform_app(settings: Settings, engine: Platform, bodies: BodyBudget) -> web.Server:
    """The multi-model container."""
    routes = PlatformSurface(settings, engine).routes()
    return _server(settings, routes, PLATFORM_ERRORS, bodies)


def make_single_app(settings: Settings, engine: Sole, bodies: BodyBudget) -> web.Server:
    """The single-model container."""
    routes = SingleSurface(settings, engine).routes()
    return _server(settings, routes, SINGLE_ERRORS, bodies)


def runner_of(server: web.Server, drain_timeout_s: float) -> web.ServerRunner:
    """What serves on sockets; its `cleanup` gives running requests `drain_timeout_s` to end."""
    return web.ServerRunner(server, shutdown_timeout=drain_timeout_s)


def _server(
    settings: Settings,
    routes: Iterable[Route],
    errors: ErrorTable,
    bodies: BodyBudget,
    guard: Callable[[Mapping[str, str]], None] | None = None,
) -> web.Server:
    exchange = Exchange(routes, errors, bodies, guard=guard, logs_payloads=settings.log_payloads)
    return exchange.server(Patience(most_connections(settings.max_connections)))
