"""The HTTP surfaces of the endpoint and its containers. Nothing here knows how models come in."""

from mme.gateway.app import (
    make_app,
    make_grpc_exchange,
    make_platform_app,
    make_single_app,
    runner_of,
)
from mme.gateway.bodies import BodyBudget

__all__ = [
    "BodyBudget",
    "make_app",
    "make_grpc_exchange",
    "make_platform_app",
    "make_single_app",
    "runner_of",
]
