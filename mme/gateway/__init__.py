"""The HTTP surfaces of the endpoint and its containers. Nothing here knows how models come in."""

from mme.gateway.app import make_app

__all__ = ["make_app"]
