"""Telling SNS topics. What fails is counted and logged, and harms nothing else.

Credentials and `AWS_ENDPOINT_URL_SNS` are boto3's business; a topic's region is in its name.
"""

from __future__ import annotations

import json
import logging
import threading
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)

ARN_PARTS = 6
MOST_CONNECTIONS = 16


class Notifier:
    """Blocking; any number of threads may use one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clients: dict[str, Any] = {}

    def publish(self, topic: str, message: Mapping[str, Any]) -> bool:
        """Send a message; whether the topic took it."""
        try:
            self._client(_region_of(topic)).publish(TopicArn=topic, Message=json.dumps(message))
        except (ClientError, BotoCoreError, ValueError) as error:
            log.warning("%s was not told: %s", topic, error)
            return False
        return True

    def _client(self, region: str) -> Any:
        with self._lock:
            if region not in self._clients:
                self._clients[region] = boto3.session.Session().client(
                    "sns",
                    region_name=region,
                    config=Config(
                        connect_timeout=5,
                        read_timeout=20,
                        retries={"total_max_attempts": 3, "mode": "standard"},
                        max_pool_connections=MOST_CONNECTIONS,
                    ),
                )
            return self._clients[region]


def _region_of(topic: str) -> str:
    parts = topic.split(":")
    if len(parts) != ARN_PARTS or not parts[3]:
        raise ValueError(f"{topic!r} is not the ARN of a topic")
    return parts[3]
