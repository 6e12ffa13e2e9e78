"""What an error of S3 means: whose fault it is, and what to do about it.

An object that is not there is the caller's fault. A bucket, credentials, a clock or a region that
is wrong is the store's, so that what is on the disk serves on and clients try again.
"""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING, Any, cast

from mme.core.errors import StoreUnavailable, TargetNotFound
from mme.store.base import TargetDenied

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

    from mme.core.errors import EndpointError

SERVER_FAULT = 500
CHANGED = ("PreconditionFailed", "412")
CONFLICTS = ("ConditionalRequestConflict", "409")
MISSING = ("NoSuchKey", "404", "NotFound")
DENIED = ("AccessDenied", "403", "Forbidden")
HINTS = {
    "AccessDenied": "the credentials may not read it (s3:GetObject, s3:ListBucket)",
    "AllAccessDisabled": "the account or bucket is blocked",
    "AuthorizationHeaderMalformed": "the bucket is in another region: set AWS_REGION",
    "BadRequest": "credentials or region may be wrong",
    "ExpiredToken": "the session token has expired: renew the credentials",
    "ExpiredTokenException": "the session token has expired: renew the credentials",
    "IllegalLocationConstraintException": "the bucket is in another region: set AWS_REGION",
    "InvalidAccessKeyId": "there is no such access key: check AWS_ACCESS_KEY_ID",
    "InvalidObjectState": "it is archived and must be restored first",
    "InvalidToken": "the session token is not valid: check AWS_SESSION_TOKEN",
    "NoSuchBucket": "there is no such bucket: check its name",
    "PermanentRedirect": "the bucket is in another region: set AWS_REGION",
    "RequestTimeTooSkewed": "the clock of this machine is wrong",
    "SignatureDoesNotMatch": "the secret key does not fit: check AWS_SECRET_ACCESS_KEY",
    "SlowDown": "it is asked too often",
    "TokenRefreshRequired": "the session token must be renewed",
}


def meaning(
    error: ClientError, target: str, place: str, bucket: str, *, may_list: bool
) -> EndpointError:
    """The error to raise. `may_list`: a missing object would have been called missing."""
    code = code_of(error)
    if code in CHANGED:
        return StoreUnavailable(place, "it has changed meanwhile; ask again")
    if target and code in MISSING:
        return TargetNotFound(target, place)
    if target and code in DENIED and not may_list:
        # So it is answered for what is missing too, where the bucket may not be listed.
        return TargetDenied(target, place, "there is no such object, or access is denied (403)")
    hint = HINTS.get("AccessDenied" if code in DENIED else code)
    words = words_of(error)
    if code == "NoSuchBucket":
        words = f"bucket {bucket!r}: {words}"
    return StoreUnavailable(place, f"{words}, {hint}" if hint else words)


def is_denied(error: ClientError) -> bool:
    """Whether access was denied."""
    return code_of(error) in DENIED


def is_changed(error: ClientError) -> bool:
    """Whether a conditional write found another version than it was to replace, or none."""
    return code_of(error) in (*CHANGED, *CONFLICTS, *MISSING)


def has_no_words(error: ClientError) -> bool:
    """Whether S3 may have more to say: a code that is a number came from an empty body."""
    return code_of(error).isdigit() and status_of(error) < SERVER_FAULT


def words_of(error: ClientError) -> str:
    """Its status and what S3 calls it; of an answer without a body, what HTTP calls the status."""
    code, status = code_of(error), status_of(error)
    if code and not code.isdigit():
        return f"{status} {code}"
    return f"{status} {http.client.responses.get(status, 'with no reason')}"


def code_of(error: ClientError) -> str:
    """What S3 calls the error."""
    return str(_details(error).get("Error", {}).get("Code", ""))


def status_of(error: ClientError) -> int:
    """Its HTTP status."""
    return int(_details(error).get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _details(error: ClientError) -> dict[str, Any]:
    return cast("dict[str, Any]", error.response)
