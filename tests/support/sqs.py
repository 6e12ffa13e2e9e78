"""Queues of SQS on loopback, by moto's server, and an address that endpoints find them by."""

from __future__ import annotations

import functools
import itertools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from moto.sqs.models import Queue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ACCOUNT, REGION = "123456789012", "eu-central-1"
_numbers: Iterator[int] = itertools.count(1)


def _without_others(delete: Callable[[Queue, str], None]) -> Callable[[Queue, str], None]:
    """Moto makes a new list of those left: it would lack a message sent meanwhile."""

    @functools.wraps(delete)
    def deleting(queue: Queue, receipt_handle: str) -> None:
        with queue._messages_lock:  # that under which moto adds one
            delete(queue, receipt_handle)

    return deleting


Queue.delete_message = _without_others(Queue.delete_message)  # type: ignore[assignment]


def sqs_client(url: str) -> Any:
    """A client of the server at `url`."""
    return boto3.client(
        "sqs",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )


@dataclass(frozen=True)
class MadeQueue:
    """A queue, the one its dead letters go to, and a client for both."""

    client: Any
    name: str
    url: str
    dead_url: str

    @property
    def address(self) -> str:
        """As MME_QUEUE names it."""
        return f"sqs://{REGION}/{ACCOUNT}/{self.name}"

    def counts(self) -> tuple[int, int]:
        """How many messages wait, and how many somebody has."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)
        waiting, taken = (int(found["Attributes"][name]) for name in names)
        return waiting, taken

    def dead(self) -> list[str]:
        """Bodies of the dead letters."""
        answer = self.client.receive_message(QueueUrl=self.dead_url, MaxNumberOfMessages=10)
        return [message["Body"] for message in answer.get("Messages", [])]


def made_queue(url: str, *, is_fifo: bool = False, most_deliveries: int = 400) -> MadeQueue:
    """A new queue on the server at `url`."""
    client = sqs_client(url)
    ending = ".fifo" if is_fifo else ""
    given = {"FifoQueue": "true"} if is_fifo else {}
    name = f"requests-{next(_numbers)}"
    dead = client.create_queue(QueueName=f"{name}-dead{ending}", Attributes=given)["QueueUrl"]
    arn = client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
    redrive = {
        "deadLetterTargetArn": arn["Attributes"]["QueueArn"],
        "maxReceiveCount": most_deliveries,
    }
    made = client.create_queue(
        QueueName=name + ending, Attributes={**given, "RedrivePolicy": json.dumps(redrive)}
    )
    return MadeQueue(client, name + ending, made["QueueUrl"], dead)
