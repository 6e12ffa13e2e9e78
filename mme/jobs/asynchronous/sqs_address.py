"""Which queue of SQS `MME_QUEUE` names. Pure.

A queue is found by its URL, which account and name make up: no right to look one up is needed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

SCHEME = "sqs://"
FIFO = ".fifo"
FORMS = (
    "write sqs://ACCOUNT/NAME, sqs://REGION/ACCOUNT/NAME, or the queue's URL as SQS tells it,"
    " https://sqs.REGION.amazonaws.com/ACCOUNT/NAME"
)
_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}|[A-Za-z0-9_-]{1,75}\.fifo")
_ACCOUNT = re.compile(r"[0-9]{12}")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d+")
_HOST = re.compile(r"sqs\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?")


@dataclass(frozen=True, slots=True)
class QueueAddress:
    """A queue; what is empty is as AWS's configuration has it."""

    account: str
    name: str
    region: str = ""
    url: str = ""

    @property
    def is_fifo(self) -> bool:
        """Whether SQS itself drops what is sent twice within five minutes."""
        return self.name.endswith(FIFO)

    def url_at(self, endpoint_url: str) -> str:
        """The queue's URL, where SQS is at `endpoint_url`."""
        return self.url or f"{endpoint_url.rstrip('/')}/{self.account}/{self.name}"

    def arn_in(self, region: str) -> str:
        """As policies name it."""
        return f"arn:aws:sqs:{region}:{self.account}:{self.name}"


def queue_address(text: str) -> QueueAddress:
    """What `text` names. Raises ValueError, with the forms it may have."""
    if text.startswith(SCHEME):
        *region, account, name = ["", *text.removeprefix(SCHEME).split("/")]
        region = [part for part in region if part]
        if len(region) > 1:
            raise _off(text, "it has too many parts")
        address = QueueAddress(account, name, region[0] if region else "")
    elif text.startswith(("https://", "http://")):
        try:
            parts = urlsplit(text)
        except ValueError as error:
            raise _off(text, str(error)) from None
        if parts.query or parts.fragment or parts.username is not None:
            raise _off(text, "a queue's URL ends with its name, and has no user")
        host = _HOST.fullmatch(parts.hostname or "")
        account, _, name = parts.path.strip("/").partition("/")
        address = QueueAddress(account, name, host[1] if host else "", text)
    else:
        raise _off(text, "it is no address of a queue")
    if not _ACCOUNT.fullmatch(address.account):
        raise _off(text, f"{address.account!r} is not an account's 12 digits")
    if not _NAME.fullmatch(address.name):
        raise _off(text, f"{address.name!r} is not a queue's name")
    if address.region and not _REGION.fullmatch(address.region):
        raise _off(text, f"{address.region!r} is not a region")
    return address


def _off(text: str, why: str) -> ValueError:
    return ValueError(f"{text!r}: {why}; {FORMS}")
