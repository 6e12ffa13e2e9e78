"""The HTTP surfaces of the standalone endpoint. Nothing here knows how models are brought in."""

from mme.gateway.app import make_app

__all__ = ["make_app"]
