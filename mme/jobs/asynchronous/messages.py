"""What is said of the end of an asynchronous request: SageMaker's words to SNS, and reasons. Pure.

Source: platform facts, messages of asynchronous inference.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mme.jobs.asynchronous.request import Entry

MOST_INCLUDED_BYTES = 128 * 1024
CLIENT_ERRORS = range(400, 500)
SUCCESS_TOPIC, ERROR_TOPIC = "SUCCESS_NOTIFICATION_TOPIC", "ERROR_NOTIFICATION_TOPIC"
TEST_MESSAGE = {
    "eventVersion": "1.0",
    "eventSource": "aws:sagemaker",
    "eventName": "TestNotification",
}
"""What a topic gets when an endpoint is made with it."""


def completed(
    entry: Entry, region: str, now: float, content_type: str, answer: bytes
) -> dict[str, Any]:
    """The message about an answer that lies at the request's output location."""
    request = entry.request
    message = _message(entry, region, now, "Completed")
    message["responseParameters"] = {
        "contentType": content_type,
        "outputLocation": request.output_uri,
    }
    if SUCCESS_TOPIC in request.responses_in and len(answer) <= MOST_INCLUDED_BYTES:
        message["responseBody"] = {
            "content": base64.b64encode(answer).decode(),
            "message": "Response sent in message body",
            "encoding": "BASE64",
        }
    return message


def failed(
    entry: Entry, region: str, now: float, *, status: str, reason: str, error: str
) -> dict[str, Any]:
    """The message about a request without an answer; `status` is Failed or Expired."""
    message = _message(entry, region, now, status)
    message["failureReason"] = reason
    if ERROR_TOPIC in entry.request.responses_in and len(error) <= MOST_INCLUDED_BYTES:
        message["responseBody"] = {"content": error, "message": "Error sent in message body"}
    return message


def model_reason(status: int, text: str, speaker: str = "model") -> str:
    """Why there is no answer, where the model said so itself; status 0: it said nothing.

    `speaker` is who said it; of a pipeline, which step.
    """
    side, kind = (
        ("client", "ClientError") if status in CLIENT_ERRORS else ("server", "InternalServerError")
    )
    return f"{kind}: Received {side} error ({status}) from {speaker}. {text}"


def moment(at_s: float) -> str:
    """As `2026-11-28T20:15:00.123Z`."""
    text = datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _message(entry: Entry, region: str, now: float, status: str) -> dict[str, Any]:
    request = entry.request
    parameters = {
        "accept": request.accept,
        "contentType": request.content_type,
        "endpointName": request.endpoint,
        "inputLocation": request.input_uri,
    }
    return {
        "awsRegion": region,
        "eventTime": moment(now),
        "receivedTime": moment(entry.received_at),
        "invocationStatus": status,
        "requestParameters": {name: value for name, value in parameters.items() if value},
        "inferenceId": request.inference_id,
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }
