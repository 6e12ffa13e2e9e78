"""The three servers, each a surface over its engine, and what runs one of them.

They are `web.Server`s, not applications: routing and errors are the exchange's, and what an
application adds to a request is half of its time. To be made on the event loop that runs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from mme.gateway.exchange import Exchange
from mme.gateway.management import Management
from mme.gateway.platform import PLATFORM_ERRORS, PlatformSurface
from mme.gateway.runtime import Runtime
from mme.gateway.service_errors import SERVICE_ERRORS
from mme.gateway.single import SINGLE_ERRORS, SingleSurface

if TYPE_CHECKING:
    from mme.core.settings import Settings
    from mme.gateway.bodies import BodyBudget
    from mme.gateway.engine import Platform, Sole, Standalone


def make_app(settings: Settings, engine: Standalone, bodies: BodyBudget) -> web.Server:
    """The standalone endpoint: runtime and management on one port."""
    routes = Runtime(settings, engine).routes() + Management(engine).routes()
    return Exchange(routes, SERVICE_ERRORS, bodies).server()


def make_platform_app(settings: Settings, engine: Platform, bodies: BodyBudget) -> web.Server:
    """The multi-model container."""
    routes = PlatformSurface(settings, engine).routes()
    return Exchange(routes, PLATFORM_ERRORS, bodies).server()


def make_single_app(settings: Settings, engine: Sole, bodies: BodyBudget) -> web.Server:
    """The single-model container."""
    routes = SingleSurface(settings, engine).routes()
    return Exchange(routes, SINGLE_ERRORS, bodies).server()


def runner_of(server: web.Server, drain_timeout_s: float) -> web.ServerRunner:
    """What serves on sockets; its `cleanup` gives running requests `drain_timeout_s` to end."""
    return web.ServerRunner(server, shutdown_timeout=drain_timeout_s)
