"""Why a caller is not served: one class for each reason, named as AWS names it.

What is answered for each, with which status, is up to the gateway. No message holds a secret.
"""

from __future__ import annotations

from typing import ClassVar

from mme.core.errors import EndpointError


class Refusal(EndpointError):
    """Base of all; `code` is AWS's word."""

    code: ClassVar[str] = "AccessDeniedException"


class NoCredentials(Refusal):
    """The request says nothing of who sends it."""

    code = "MissingAuthenticationTokenException"


class UnknownCaller(Refusal):
    """A token or an access key that is not configured here."""

    code = "UnrecognizedClientException"


class Expired(Refusal):
    """A token or an access key whose time is over."""

    code = "ExpiredTokenException"


class IncompleteSignature(Refusal):
    """An Authorization header that is not what the specification says."""

    code = "IncompleteSignatureException"


class BadSignature(Refusal):
    """A signature that is not of this request, of this time, or not of this secret."""

    code = "InvalidSignatureException"


class Denied(Refusal):
    """The caller is known, and may not do this."""

    def __init__(self, message: str, scope: str = "") -> None:
        """`scope`: the one that is missing, if one is."""
        super().__init__(message)
        self.scope = scope


class Throttled(Refusal):
    """The caller asks more often, or for more at a time, than it may."""

    code = "ThrottlingException"

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
