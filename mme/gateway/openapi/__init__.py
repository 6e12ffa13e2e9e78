"""The HTTP interface in OpenAPI's words, made from the routes and what stands at their handlers."""

from mme.gateway.openapi.describing import Body, Parameter, Result, described
from mme.gateway.openapi.document import document_of

__all__ = ["Body", "Parameter", "Result", "described", "document_of"]
