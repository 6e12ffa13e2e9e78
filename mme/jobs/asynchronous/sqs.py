"""SQS as far as a queue of requests needs it, for one queue. Blocking; any thread may ask.

Credentials, region and `AWS_ENDPOINT_URL_SQS` are boto3's business. Whatever it raises becomes a
QueueUnavailable that names the queue and, where one is missing, the right.
"""

from __future__ import annotations

import contextlib
import os
import threading
import uuid
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from mme.core.errors import EndpointError, StateUnavailable
from mme.store import s3_errors
from mme.store.s3_errors import code_of, words_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mme.jobs.asynchronous.sqs_address import QueueAddress

SEND, RECEIVE, DELETE = "sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage"
CHANGE, ATTRIBUTES = "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"
DENIED = (*s3_errors.DENIED, "AccessDeniedException")
ABSENT = ("NonExistentQueue", "QueueDoesNotExist")
LOST = ("ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue")
"""A lease that has run out: the message is somebody else's by now, or gone."""
MOST_IN_ONE_CALL = 10
MOST_LEASE_S = 12 * 3600
POLL_S = 2
"""How long one call waits for messages. A stop waits for a call that is under way."""
COUNTS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)
FACTS = (*COUNTS, "RedrivePolicy", "MessageRetentionPeriod", "VisibilityTimeout")
CONNECT_TIMEOUT_S, READ_TIMEOUT_S, ATTEMPTS = 5, 20, 3
DEFAULT_REGION = "us-east-1"


class QueueUnavailable(StateUnavailable):
    """SQS did not do what it was asked; `is_final`: it will not until somebody mends it."""

    def __init__(self, url: str, reason: str, *, is_final: bool = False) -> None:
        EndpointError.__init__(self, f"The queue {url} (MME_QUEUE) cannot be used: {reason}")
        self.is_final = is_final


class Sqs:
    """One queue."""

    def __init__(self, address: QueueAddress, most_connections: int = 10) -> None:
        self.address = address
        self._most_connections = most_connections
        self._lock = threading.Lock()
        self._made: Any = None
        self.url = address.url or address.name
        """The queue's, once it has been asked; until then what is known of it."""

    def send(self, text: str, mark: str) -> None:
        """Queue a message; a FIFO queue drops another one of the same mark."""
        mark = mark or str(uuid.uuid4())
        # Each is a group of its own: no request waits for another one's end.
        named = {"MessageGroupId": mark, "MessageDeduplicationId": mark}
        more = named if self.address.is_fifo else {}
        with self._asking(SEND) as client:
            client.send_message(QueueUrl=self.url, MessageBody=text, **more)

    def receive(self, count: int, lease_s: int) -> list[dict[str, Any]]:
        """At most `count` messages, nobody else's for `lease_s`; waits for one for a while."""
        with self._asking(RECEIVE) as client:
            answer = client.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=min(count, MOST_IN_ONE_CALL),
                WaitTimeSeconds=POLL_S,
                VisibilityTimeout=lease_s,
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )
        return list(answer.get("Messages", []))

    def delete(self, receipt: str) -> None:
        """A message is done."""
        with contextlib.suppress(LeaseLost), self._asking(DELETE) as client:
            client.delete_message(QueueUrl=self.url, ReceiptHandle=receipt)

    def hide(self, receipts: Sequence[str], for_s: int) -> list[str]:
        """Nobody gets these messages for so long from now; which of them were not ours any more."""
        lost: list[str] = []
        for begin in range(0, len(receipts), MOST_IN_ONE_CALL):
            some = receipts[begin : begin + MOST_IN_ONE_CALL]
            entries = [
                {"Id": str(place), "ReceiptHandle": receipt, "VisibilityTimeout": for_s}
                for place, receipt in enumerate(some)
            ]
            with self._asking(CHANGE) as client:
                answer = client.change_message_visibility_batch(QueueUrl=self.url, Entries=entries)
            for failed in answer.get("Failed", []):
                if failed.get("Code") not in LOST:
                    raise QueueUnavailable(self.url, str(failed.get("Message", failed)))
                lost.append(some[int(failed["Id"])])
        return lost

    def attributes(self) -> Mapping[str, str]:
        """How many messages it has, and what is set."""
        with self._asking(ATTRIBUTES) as client:
            found = client.get_queue_attributes(QueueUrl=self.url, AttributeNames=list(FACTS))
        attributes: Mapping[str, str] = found.get("Attributes", {})
        return attributes

    def client(self) -> Any:
        """The client, made when it is first asked for. Raises BotoCoreError."""
        with self._lock:
            if self._made is None:
                session = boto3.session.Session()
                told = session.region_name or os.environ.get("AWS_REGION")
                self._made = session.client(
                    "sqs",
                    region_name=self.address.region or told or DEFAULT_REGION,
                    config=Config(
                        connect_timeout=CONNECT_TIMEOUT_S,
                        read_timeout=READ_TIMEOUT_S,
                        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
                        max_pool_connections=self._most_connections,
                    ),
                )
                self.url = self.address.url_at(self._made.meta.endpoint_url)
            return self._made

    @property
    def arn(self) -> str:
        """As policies name the queue."""
        return self.address.arn_in(self.client().meta.region_name)

    @contextlib.contextmanager
    def _asking(self, right: str) -> Iterator[Any]:
        """The client; what it raises inside the block is translated."""
        try:
            yield self.client()
        except ClientError as error:
            raise self._meaning(error, right) from error
        except BotoCoreError as error:
            raise QueueUnavailable(self.url, str(error)) from error

    def _meaning(self, error: ClientError, right: str) -> QueueUnavailable:
        code = short_code(error)
        said = f"{words_of(error)}: {error.response['Error'].get('Message', '')}"
        if code in ABSENT:
            return QueueUnavailable(self.url, "there is no such queue", is_final=True)
        if code in LOST and right in (DELETE, CHANGE):
            return LeaseLost(self.url, said)
        if code_of(error).upper().startswith("KMS"):
            return QueueUnavailable(self.url, f"{said}; see to the key it is encrypted with")
        if code in DENIED:
            reason = f"access is denied; the credentials need {right} on {self.arn}"
            return QueueUnavailable(self.url, reason, is_final=True)
        return QueueUnavailable(self.url, said)


class LeaseLost(QueueUnavailable):
    """A message is not ours any more."""


def short_code(error: ClientError) -> str:
    """What SQS calls an error, without the name of the service that older answers have before."""
    return code_of(error).rpartition(".")[2]
