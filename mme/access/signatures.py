"""Signatures of AWS clients (version 4): of whose secret, of this request, of this time, once.

A request is looked at twice: `begin` needs its head only, `end` the digest of its body. Whoever
calls does nothing of what is asked before `end` has returned.

Replays: a request that changes something is not taken again with the same signature, once two
seconds have passed since it first came. Before that it may be its client's: AWS's clients sign each
attempt anew, but by the second, so that a retry, or the same call once more, may look the same.
Requests that only read, and invocations, which leave nothing behind, may come again.
"""

from __future__ import annotations

import hmac
import time
from collections import OrderedDict
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING

from mme.access.canonical import canonical_request, string_to_sign
from mme.access.claim import ALGORITHM, BODY_DIGEST, OTHER_ALGORITHMS, TERMINATOR, claim_of
from mme.access.refusals import BadSignature, IncompleteSignature, UnknownCaller

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mme.access.caller import Caller
    from mme.access.canonical import Head
    from mme.access.claim import Claim
    from mme.access.keys import Key
    from mme.access.secret_file import Watched

SESSION = "x-amz-security-token"
SKEW_S = 300.0
REPEAT_S = 2.0
MOST_SEEN = 10_000
"""Signatures that are remembered of one access key; above it the oldest is forgotten."""
MOMENT_FORM = "%Y%m%dT%H%M%SZ"
SHOWN_CHARS = 100


class Signatures:
    """The check, by the keys of a file. The event loop owns it."""

    def __init__(
        self,
        file: Watched[Mapping[str, Key]],
        *,
        skew_s: float = SKEW_S,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._file = file
        self._skew_s = skew_s
        self._wall = wall
        self._seen: dict[str, OrderedDict[str, float]] = {}
        """Of each access key the signatures, and when each first came."""

    def begin(self, authorization: str, head: Head) -> Begun:
        """Check what can be without the body. Raises Refusal."""
        if authorization.startswith(OTHER_ALGORITHMS):
            raise IncompleteSignature(f"Of AWS's signatures {ALGORITHM} is known here")
        claim = claim_of(authorization, head.headers)
        key = self._key(claim, head)
        self._check_time(claim)
        begun = Begun(claim, key, head)
        if claim.body_digest:
            begun.check(claim.body_digest)
        return begun

    def end(self, begun: Begun, body_digest: str, *, once: bool) -> Caller:
        """The caller, when the digest of the body is known. Raises BadSignature.

        `once`: it is not to be done again when somebody else sends the same bytes.
        """
        claim = begun.claim
        if not claim.body_digest:
            begun.check(body_digest)
        elif claim.body_digest != body_digest:
            raise BadSignature(f"The body is not the one of {BODY_DIGEST}")
        if once:
            self._note(claim)
        return begun.key.caller

    def _key(self, claim: Claim, head: Head) -> Key:
        key = self._file.content.get(claim.access_key)
        if key is None:
            raise UnknownCaller(
                f"The access key {claim.access_key[:SHOWN_CHARS]!r} is not one that is known here"
            )
        session = head.headers.get(SESSION, "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(session, key.session.encode()):
            raise UnknownCaller("The security token included in the request is invalid")
        key.caller.check_time(self._wall())
        return key

    def _check_time(self, claim: Claim) -> None:
        now_at, signed_at = self._wall(), claim.signed_at
        now, minutes = _moment(now_at), f"{self._skew_s / 60:g} min."
        if signed_at < now_at - self._skew_s:
            raise BadSignature(
                f"Signature expired: {claim.moment} is now earlier than"
                f" {_moment(now_at - self._skew_s)} ({now} - {minutes})"
            )
        if signed_at > now_at + self._skew_s:
            raise BadSignature(
                f"Signature not yet current: {claim.moment} is still later than"
                f" {_moment(now_at + self._skew_s)} ({now} + {minutes})"
            )

    def _note(self, claim: Claim) -> None:
        seen = self._seen.setdefault(claim.access_key, OrderedDict())
        now_at = self._wall()
        # After that it does not hold any more, whenever it was signed.
        while seen and next(iter(seen.values())) + 2 * self._skew_s < now_at:
            seen.popitem(last=False)
        first_at = seen.get(claim.signature)
        if first_at is None:
            if len(seen) >= MOST_SEEN:
                seen.popitem(last=False)
            seen[claim.signature] = now_at
        elif now_at - first_at > REPEAT_S:
            raise BadSignature("This signature has been used before: each request needs its own")


class Begun:
    """A request whose head is good, but for what depends on its body."""

    __slots__ = ("claim", "head", "key")

    def __init__(self, claim: Claim, key: Key, head: Head) -> None:
        self.claim = claim
        self.key = key
        self.head = head

    def check(self, body_digest: str) -> None:
        """Raise BadSignature unless the signature is of this request and this body."""
        claim = self.claim
        request = canonical_request(self.head, claim.signed, body_digest, claim.service)
        text = string_to_sign(claim.moment, claim.scope, request)
        signing_key = _signing_key(self.key.secret, claim.day, claim.region, claim.service)
        if not hmac.compare_digest(hmac.digest(signing_key, text, sha256).hex(), claim.signature):
            raise BadSignature(
                "The request signature we calculated does not match the signature you provided."
                " Check your AWS Secret Access Key and signing method."
            )


@lru_cache(maxsize=1024)
def _signing_key(secret: str, *parts: str) -> bytes:
    """The key of a day, a region and a service."""
    key = f"AWS4{secret}".encode()
    for part in (*parts, TERMINATOR):
        key = hmac.digest(key, part.encode(), sha256)
    return key


def _moment(at: float) -> str:
    return time.strftime(MOMENT_FORM, time.gmtime(at))
