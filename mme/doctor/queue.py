"""Whether the queue of MME_QUEUE is there, and lets us do what an endpoint does with it.

Each right is tried by a call that SQS refuses for another reason, so that nothing is sent, taken or
deleted: only where the right is missing does it speak of rights.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from mme.doctor.finding import Finding, failed, ok, warning
from mme.jobs.asynchronous.sqs import (
    CHANGE,
    DELETE,
    DENIED,
    RECEIVE,
    SEND,
    QueueUnavailable,
    Sqs,
    short_code,
)
from mme.jobs.asynchronous.sqs_address import queue_address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mme.core.settings import Settings

QUEUE = "queue"
MOST_DELAY_S, MOST_MESSAGES = 900, 10
ENOUGH_DELIVERIES = 400
"""A busy model's request is tried some 370 times in the six hours it may wait."""
LONGEST_TTL_S = 6 * 3600


def check_queue(settings: Settings) -> list[Finding]:
    """What is to be told of it; nothing where requests wait in MME_STATE_DIR. Blocking."""
    if not settings.queue:
        return []
    try:
        sqs = Sqs(queue_address(settings.queue))
        attributes = sqs.attributes()
        missing = [right for right, call in _calls(sqs) if _is_denied(call)]
    except ValueError as error:
        return [failed(QUEUE, f"MME_QUEUE={error}", "see docs/async.md")]
    except (QueueUnavailable, BotoCoreError) as error:
        return [failed(QUEUE, str(error), "see docs/async.md for the rights an endpoint needs")]
    if missing:
        rights = ", ".join(missing)
        found, advice = f"{sqs.url}: {rights} missing", f"allow {rights} on {sqs.arn}"
        return [failed(QUEUE, found, advice, uri=sqs.url, missing_rights=missing)]
    return [ok(QUEUE, f"{sqs.url} can be used", uri=sqs.url), *judge(attributes)]


def judge(attributes: Mapping[str, str]) -> Iterator[Finding]:
    """What is set about a queue that loses requests, or keeps what cannot be read."""
    policy = json.loads(attributes.get("RedrivePolicy") or "{}")
    deliveries = policy.get("maxReceiveCount")
    if deliveries is None:
        yield warning(
            QUEUE, "it has no queue for dead letters: a message that cannot be read comes again"
            " and again until its time is over",
            f"set a RedrivePolicy with maxReceiveCount {ENOUGH_DELIVERIES}",
        )  # fmt: skip
    elif int(deliveries) < ENOUGH_DELIVERIES:
        yield warning(
            QUEUE, f"a request is given out {deliveries} times at most (maxReceiveCount): one whose"
            " model stays busy fails before it expires",
            f"raise it to {ENOUGH_DELIVERIES}",
        )  # fmt: skip
    kept_s = int(attributes.get("MessageRetentionPeriod") or LONGEST_TTL_S)
    if kept_s < LONGEST_TTL_S:
        yield warning(
            QUEUE, f"it forgets messages after {kept_s} s; requests may wait {LONGEST_TTL_S} s",
            "raise MessageRetentionPeriod",
        )  # fmt: skip


def _calls(sqs: Sqs) -> list[tuple[str, Callable[[], Any]]]:
    """Each right, and a call that needs it and does nothing."""
    client = sqs.client()
    at: dict[str, Any] = {"QueueUrl": sqs.url}
    no_message: dict[str, Any] = {**at, "ReceiptHandle": "none"}
    too_late = MOST_DELAY_S + 1
    return [
        (SEND, lambda: client.send_message(**at, MessageBody="none", DelaySeconds=too_late)),
        (RECEIVE, lambda: client.receive_message(**at, MaxNumberOfMessages=MOST_MESSAGES + 1)),
        (DELETE, lambda: client.delete_message(**no_message)),
        (CHANGE, lambda: client.change_message_visibility(**no_message, VisibilityTimeout=0)),
    ]


def _is_denied(call: Callable[[], Any]) -> bool:
    try:
        call()
    except ClientError as error:
        return short_code(error) in DENIED
    return False
