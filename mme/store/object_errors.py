"""What went wrong with one object, and what an error of S3 means for it.

What will be the same at the next try is an InvalidRequest; what may pass, ObjectsUnavailable. Each
names the object, and the right that is missing.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigNotFound,
    ConfigParseError,
    ProfileNotFound,
)

from mme.core.errors import EndpointError, InvalidRequest, StoreUnavailable
from mme.store.s3_errors import DENIED, HINTS, MISSING, code_of, words_of

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)


class ObjectNotFound(InvalidRequest):
    """There is no such object, or no such bucket."""

    def __init__(self, uri: str, reason: str = "there is no such object") -> None:
        super().__init__(f"{uri}: {reason}")
        self.uri = uri


class ObjectDenied(InvalidRequest):
    """The credentials lack a right."""

    def __init__(self, uri: str, right: str) -> None:
        super().__init__(f"{uri}: access is denied; the credentials need {right}")
        self.uri = uri


class ObjectTooLarge(InvalidRequest):
    """The object is larger than its reader takes."""

    def __init__(self, uri: str, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(f"{uri} has {size_bytes} bytes; {limit_bytes} are allowed")
        self.uri = uri


class ObjectsUnavailable(StoreUnavailable):
    """S3 did not answer, or with a fault of its own."""

    def __init__(self, uri: str, reason: str) -> None:
        EndpointError.__init__(self, f"S3 cannot serve {uri}: {reason}")
        self.where = uri


@contextlib.contextmanager
def translated(uri: str, right: str) -> Iterator[None]:
    """Turn whatever boto3 raises into ours; `right` is what IAM calls what is being done."""
    try:
        yield
    except EndpointError:
        raise
    except ClientError as error:
        raise _meaning(error, uri, right) from error
    except (ConfigNotFound, ConfigParseError, ProfileNotFound) as error:
        log.warning("%s", error)  # it names files of this machine
        raise ObjectsUnavailable(uri, "AWS's configuration cannot be used") from error
    except BotoCoreError as error:
        raise ObjectsUnavailable(uri, str(error)) from error


def _meaning(error: ClientError, uri: str, right: str) -> EndpointError:
    code = code_of(error)
    if code == "NoSuchBucket":
        return ObjectNotFound(uri, "there is no such bucket")
    if code in MISSING:
        return ObjectNotFound(uri)
    if code in DENIED:
        return ObjectDenied(uri, right)
    hint, words = HINTS.get(code), words_of(error)
    return ObjectsUnavailable(uri, f"{words}, {hint}" if hint else words)
