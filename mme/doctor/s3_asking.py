"""One look at S3 as the endpoint will see it: who asks, by which credentials, where, what is said.

Blocking. Uses the client of the store, so that patience, region and address are the endpoint's.
What an answer means is in `s3_rights.py` and `s3_store.py`.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from mme.store.s3_client import ClientOfS3

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

STS_TIMEOUT_S = 3
AWS_HOSTS = (".amazonaws.com", ".amazonaws.com.cn")
KEY_CHARS_SHOWN = 4
SOURCES = {
    "env": "environment variables",
    "shared-credentials-file": "the shared credentials file",
    "config-file": "AWS's configuration file",
    "assume-role": "a role assumed by the profile",
    "assume-role-with-web-identity": "a role assumed with a web identity token",
    "sso": "single sign-on",
    "container-role": "the container's role",
    "iam-role": "the instance's role",
    "custom-process": "a program the profile names",
    "login": "a login of the AWS command line",
}
"""What boto3 calls where credentials come from -> what people call it."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks S3, and where it is."""

    source: str
    """Where the credentials come from; "" if there are none."""
    access_key: str
    """Its last characters."""
    region: str
    endpoint_url: str
    profile: str
    identity: str = ""
    """The ARN that STS knows them by; "" where it cannot be told."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One answer of S3; `error` is what it refused with, `trouble` why there was no answer."""

    answer: Mapping[str, Any]
    error: Mapping[str, Any] | None = None
    trouble: str = ""
    skew_s: float | None = None
    """How far this machine's clock is ahead of S3's; None: it did not say. To half a second."""


class AskingS3:
    """Asks. Raises nothing of boto3's but BotoCoreError, from `asker` alone."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._s3 = ClientOfS3()
        self._clock = clock

    def asker(self) -> Asker:
        """Who asks, as far as can be told. Raises BotoCoreError (a broken configuration, say)."""
        session = boto3.session.Session()
        client = self._s3.get()
        found = session.get_credentials()
        if found is not None:
            found.get_frozen_credentials()  # a role's are fetched now, or cannot be
        return Asker(
            source=SOURCES.get(found.method, found.method) if found is not None else "",
            access_key=f"…{(found.access_key or '')[-KEY_CHARS_SHOWN:]}" if found else "",
            region=client.meta.region_name,
            endpoint_url=client.meta.endpoint_url,
            profile=session.profile_name,
            identity=self._identity(session, client.meta.endpoint_url, client.meta.region_name),
        )

    def list_one(self, bucket: str, prefix: str) -> Heard:
        """List one key below a prefix."""
        return self._heard(
            lambda: dict(self._s3.get().list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1))
        )

    def read_one_byte(self, bucket: str, key: str) -> Heard:
        """Read the first byte of an object, by GET, which tells in words what is refused."""

        def ask() -> dict[str, Any]:
            answer = self._s3.get().get_object(Bucket=bucket, Key=key, Range="bytes=0-0")
            with contextlib.closing(answer["Body"]) as body:
                body.read()
            return dict(answer)

        return self._heard(ask)

    def _heard(self, ask: Callable[[], dict[str, Any]]) -> Heard:
        try:
            answer = ask()
        except ClientError as error:
            said: dict[str, Any] = dict(error.response)
            return Heard({}, said, skew_s=self._skew_s(said))
        except (BotoCoreError, OSError) as error:
            return Heard({}, trouble=str(error))
        return Heard(answer, skew_s=self._skew_s(answer))

    def _skew_s(self, said: Mapping[str, Any]) -> float | None:
        """How far our clock is ahead, by the header `Date`, which says full seconds."""
        date = said.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
        try:
            return self._clock() - (parsedate_to_datetime(str(date)).timestamp() + 0.5)
        except (TypeError, ValueError):
            return None

    def _identity(self, session: boto3.session.Session, s3_url: str, region: str) -> str:
        """The ARN that STS knows us by. Beside an S3 that is not AWS's, AWS's STS is not asked.

        Of the session that was looked at: boto3's own may have kept other credentials.
        """
        try:
            sts = session.client(
                "sts",
                region_name=region,
                config=Config(
                    connect_timeout=STS_TIMEOUT_S,
                    read_timeout=STS_TIMEOUT_S,
                    retries={"total_max_attempts": 1},
                ),
            )
            if _is_aws(sts.meta.endpoint_url) and not _is_aws(s3_url):
                return ""
            return str(sts.get_caller_identity()["Arn"])
        except (BotoCoreError, ClientError, OSError, KeyError):
            return ""


def _is_aws(url: str) -> bool:
    return (urlsplit(url).hostname or "").endswith(AWS_HOSTS)
