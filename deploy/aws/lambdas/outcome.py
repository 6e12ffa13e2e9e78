"""What became of a trained artifact: the state machine's last question for each model.

Publishing runs by itself, started by the artifact's arrival; this reads the record that it leaves.
`NotYet` is raised until there is one, and the state machine asks again.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError

from deploy.aws.lambdas.arrival import place_of, read_key, read_outcome
from mme.store.s3_errors import MISSING, code_of

if TYPE_CHECKING:
    from collections.abc import Mapping


class NotYet(Exception):
    """The artifact is not published yet, nor refused."""


def handler(event: Mapping[str, str], _: object) -> dict[str, object]:
    """The outcome for `{"artifact": "s3://..."}`. Raises NotYet."""
    return outcome_of(event["artifact"], boto3.client("s3"))


def outcome_of(artifact_uri: str, s3: Any) -> dict[str, object]:
    """What the record beside an artifact says. Raises NotYet, InvalidRequest."""
    arrived = read_key(*place_of(artifact_uri))
    try:
        answer = s3.get_object(Bucket=arrived.bucket, Key=arrived.record_key)
    except ClientError as error:
        if code_of(error) in MISSING:
            raise NotYet(f"{arrived.target} has arrived, and is not published yet") from error
        raise
    outcome = read_outcome(answer["Body"].read())
    is_serving = outcome.state == "serving"
    return {**asdict(outcome), "is_serving": is_serving, "said": outcome.sentence}
