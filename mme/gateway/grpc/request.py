"""A call as a request that an exchange takes: what it asks of aiohttp's, and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from aiohttp import HttpVersion11
from multidict import CIMultiDict

from mme.gateway.headers import INFERENCE_ID
from mme.gateway.open_inference.inference import HEADER_LENGTH

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mme.core.errors import EndpointError
    from mme.gateway.bodies import Share

PASSED = frozenset({"authorization", "traceparent", "tracestate", INFERENCE_ID.lower()})
"""Metadata that are headers of the request."""


class CallRequest:
    """One call, its body and its connection."""

    version, transport, content_length = HttpVersion11, None, 0

    def __init__(
        self,
        method: str,
        path: str,
        content: tuple[bytes | EndpointError, int | None],
        metadata: Iterable[tuple[str, str | bytes]],
        peer: str,
    ) -> None:
        """`content`: the body, or what its reader hears instead, and how much of it is JSON.

        `peer` is as gRPC has it: `ipv4:127.0.0.1:5000`, `ipv6:%5B::1%5D:5000`.
        """
        self.method, self.raw_path = method, path
        self.headers = CIMultiDict((name, str(value)) for name, value in metadata if name in PASSED)
        self._body, json_bytes = content
        if json_bytes is not None:
            self.headers[HEADER_LENGTH] = str(json_bytes)
        self.remote = unquote(peer).partition(":")[2].rpartition(":")[0].strip("[]")
        self.content = self.protocol = self
        self._share: Share | None = None

    def is_eof(self) -> bool:
        """All of the body has come."""
        return True

    at_eof = is_eof

    def read_nowait(self) -> bytes:
        """All of the body. Raises EndpointError."""
        if isinstance(self._body, bytes):
            return self._body
        raise self._body

    def holds(self, share: Share) -> None:
        """Keep what a large answer holds until it is written."""
        self._share = share

    def give_back(self) -> None:
        """It is written, or will not be."""
        if self._share is not None:
            self._share.give_back()
