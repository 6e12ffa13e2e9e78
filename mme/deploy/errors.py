"""What keeps a deployment from going on, in words: our own refusals, and what AWS's errors mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import (
    ClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
)
from botocore.exceptions import (
    ConnectionError as NotConnected,
)

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError

CREDENTIALS = (
    "there are no credentials for AWS: `aws configure`, AWS_PROFILE, or AWS_ACCESS_KEY_ID with"
    " AWS_SECRET_ACCESS_KEY"
)
REGION = "no region is named: give --region, or set AWS_DEFAULT_REGION"
HINTS = {
    "AccessDenied": "these credentials may not do that; docs/deploy-aws.md lists what it takes",
    "AccessDeniedException": "these credentials may not do that; docs/deploy-aws.md lists what it"
    " takes",
    "ExpiredToken": "the session has expired: sign in again",
    "ExpiredTokenException": "the session has expired: sign in again",
    "InvalidClientTokenId": "AWS does not know the access key",
    "UnrecognizedClientException": "AWS does not know the access key",
    "SignatureDoesNotMatch": "the secret key does not fit the access key",
    "InsufficientCapabilitiesException": "the credentials may not make roles",
}


class DeployError(Exception):
    """Why nothing more was done."""


class NoSuchDeployment(DeployError):
    """There is nothing of that name."""


def explained(error: BotoCoreError | ClientError, what: str) -> DeployError:
    """What an error of AWS's means; `what` was asked for."""
    match error:
        case NoCredentialsError() | PartialCredentialsError():
            return DeployError(CREDENTIALS)
        case NoRegionError():
            return DeployError(REGION)
        case ProfileNotFound():
            return DeployError(f"{error}: AWS_PROFILE names one that is not in ~/.aws")
        case NotConnected():
            return DeployError(f"{what}: AWS does not answer: {error}")
        case ClientError():
            told = error.response["Error"]
            hint = HINTS.get(told.get("Code", ""))
            text = f"{what}: {told.get('Code')}: {told.get('Message')}"
            return DeployError(f"{text}; {hint}" if hint else text)
        case _:
            return DeployError(f"{what}: {error}")


def code_of(error: ClientError) -> str:
    """The code of the service."""
    return str(error.response["Error"].get("Code", ""))


def message_of(error: ClientError) -> str:
    """The words of the service."""
    return str(error.response["Error"].get("Message", ""))
