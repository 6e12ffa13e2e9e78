"""The client of S3: made once at first use, with patience and tries of our own.

Credentials, region and `AWS_ENDPOINT_URL_S3` are boto3's business.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 60
ATTEMPTS = 3
MOST_CONNECTIONS = 32
DEFAULT_REGION = "us-east-1"


class ClientOfS3:
    """A client that is made when it is first asked for: finding credentials may take a while."""

    def __init__(self, most_connections: int = 10) -> None:
        self._most_connections = most_connections
        self._lock = threading.Lock()
        self._made: S3Client | None = None

    def get(self) -> S3Client:
        """The client; any thread may ask. Raises BotoCoreError."""
        with self._lock:
            if self._made is None:
                session = boto3.session.Session()
                self._made = session.client(
                    "s3",
                    # A local S3 asks for no region; AWS would say so if this one were wrong.
                    region_name=session.region_name or DEFAULT_REGION,
                    config=Config(
                        connect_timeout=CONNECT_TIMEOUT_S,
                        read_timeout=READ_TIMEOUT_S,
                        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
                        max_pool_connections=self._most_connections,
                    ),
                )
            return self._made
