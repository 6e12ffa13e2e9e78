"""What an error of S3 tells: which right is missing, on what, and what else is to be done. Pure.

S3 says in words who asked and what that one may not do, where it says anything. A HEAD says
nothing, so whoever looks here asks by GET.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mme.store.s3_errors import DENIED, HINTS

if TYPE_CHECKING:
    from collections.abc import Mapping

LIST, GET, DECRYPT = "s3:ListBucket", "s3:GetObject", "kms:Decrypt"
REGION_HEADER = "x-amz-bucket-region"
ELSEWHERE = (
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "PermanentRedirect",
    "301",
)
SHOWN_CHARS = 300
_USER = re.compile(r"User: (\S+)")
_RIGHT = re.compile(r"not authorized to perform: ([A-Za-z0-9-]+:[A-Za-z0-9]+)")
_RESOURCE = re.compile(r'on resource: "?([^\s"]+)')
_BECAUSE = re.compile(r"(because .+|with an explicit deny.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What S3 said to one request, in our words."""

    code: str
    found: str
    """What is wrong."""
    advice: str
    missing_right: str = ""
    """As IAM calls it; "" if it is not for want of a right."""
    identity: str = ""
    """Who S3 says has asked."""


def refusal_of(said: Mapping[str, Any], doing: str, resource: str) -> Refusal:
    """What the error `said`, as botocore keeps it, means.

    `doing` is the right that was used, `resource` the ARN it was used on.
    """
    error, meta = said.get("Error", {}), said.get("ResponseMetadata", {})
    code, message = str(error.get("Code", "")), str(error.get("Message", ""))[:SHOWN_CHARS]
    status = meta.get("HTTPStatusCode", "")
    headers = meta.get("HTTPHeaders", {})
    identity = _found(_USER, message)
    shown = f"{status} {code}".strip() if code != str(status) else code
    if code.startswith("KMS."):
        return Refusal(
            code, f"{shown}: {message}", "see to the key that the objects are encrypted with",
            DECRYPT, identity,
        )  # fmt: skip
    if code in DENIED:
        right = _found(_RIGHT, message) or (DECRYPT if "kms" in message.lower() else doing)
        on = _found(_RESOURCE, message) or (resource if right == doing else "the bucket's key")
        why = _found(_BECAUSE, message).strip()
        return Refusal(
            code,
            f"{right} is missing ({shown}{f', {why}' if why else ''})",
            f"allow {right} on {on} to whoever asks here, in its policy and the bucket's",
            right,
            identity,
        )
    region = str(headers.get(REGION_HEADER, "") or error.get("Region", ""))
    if code in ELSEWHERE and region:
        return Refusal(
            code, f"the bucket is in the region {region}", f"set AWS_REGION={region}", "", identity
        )
    return Refusal(code, f"{shown}: {message}".rstrip(": "), HINTS.get(code, ""), "", identity)


def _found(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else ""
