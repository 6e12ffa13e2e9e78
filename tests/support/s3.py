"""A real S3 server on loopback: moto's, over HTTP."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class S3Server:
    url: str

    def client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


@contextlib.contextmanager
def running_s3() -> Iterator[S3Server]:
    """Start a server on a free port with no buckets."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        import requests  # noqa: PLC0415

        requests.post(f"{url}/moto-api/reset", timeout=10)
        yield S3Server(url)
    finally:
        server.stop()
