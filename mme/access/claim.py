"""What an Authorization header of signature version 4 claims: taken apart, not believed yet."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from mme.access.refusals import BadSignature, IncompleteSignature

if TYPE_CHECKING:
    from multidict import MultiMapping

ALGORITHM = "AWS4-HMAC-SHA256"
OTHER_ALGORITHMS = ("AWS4-ECDSA-P256-SHA256", "AWS4-HMAC-SHA256-PAYLOAD")
TERMINATOR = "aws4_request"
DATE, AMZ_DATE, BODY_DIGEST = "date", "x-amz-date", "x-amz-content-sha256"
MOMENT_FORM = "%Y%m%dT%H%M%SZ"
MOMENT = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
SCOPE_PART = re.compile(r"[A-Za-z0-9\-]{1,64}", re.ASCII)
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z\-]+", re.ASCII)
MUST_BE_SIGNED = ("x-amz-", "x-amzn-sagemaker-")
"""Headers of these beginnings: AWS wants the first, and the others say what is to be done."""
PARTS = ("Credential", "SignedHeaders", "Signature")
CREDENTIAL_PARTS = 5
SHOWN_CHARS = 100


@dataclass(frozen=True, slots=True)
class Claim:
    """Who says to have signed what, and when."""

    access_key: str
    day: str
    region: str
    service: str
    signed: tuple[str, ...]
    """Names of headers, in lower case and in order."""
    signature: str
    moment: str
    """As 20300131T120000Z."""
    body_digest: str
    """What the request says of its body; "" if it says nothing."""

    @property
    def scope(self) -> str:
        """As the credential has it, without the access key."""
        return f"{self.day}/{self.region}/{self.service}/{TERMINATOR}"

    @property
    def signed_at(self) -> float:
        """By the signer's clock."""
        return _time_of(self.moment)


def claim_of(authorization: str, headers: MultiMapping[str]) -> Claim:
    """The claim of a header that begins with `ALGORITHM`.

    Raises IncompleteSignature, BadSignature.
    """
    given = _parts(authorization.removeprefix(ALGORITHM))
    access_key, day, region, service = _credential(given["Credential"])
    signed = tuple(given["SignedHeaders"].split(";"))
    if not DIGEST.fullmatch(given["Signature"]):
        raise IncompleteSignature("Signature must be 64 hexadecimal digits in lower case")
    moment = _moment(headers)
    _check_signed(signed, headers)
    if not moment.startswith(day):
        raise BadSignature(
            f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from"
            f" HTTP: {day!r} != {moment[:8]!r}, from {moment!r}"
        )
    return Claim(
        access_key, day, region, service, signed, given["Signature"], moment, _digest(headers)
    )


def _parts(text: str) -> dict[str, str]:
    given: dict[str, str] = {}
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        if name not in PARTS or name in given or not value:
            raise IncompleteSignature(
                "The Authorization header must be AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…,"
                f" Signature=…; it has {name[:SHOWN_CHARS]!r}"
            )
        given[name] = value
    for name in PARTS:
        if name not in given:
            raise IncompleteSignature(f"Authorization header requires '{name}' parameter")
    return given


def _credential(text: str) -> tuple[str, str, str, str]:
    parts = text.split("/")
    if len(parts) != CREDENTIAL_PARTS or parts[-1] != TERMINATOR:
        raise IncompleteSignature(
            "Credential must have exactly 5 slash-delimited elements:"
            " keyid/date/region/service/aws4_request"
        )
    access_key, day, region, service, _ = parts
    if not all(SCOPE_PART.fullmatch(part) for part in (day, region, service)) or not access_key:
        raise IncompleteSignature("Credential names no access key, date, region or service")
    return access_key, day, region, service


def _moment(headers: MultiMapping[str]) -> str:
    """When the request says to have been signed. Raises IncompleteSignature."""
    text = _only(headers, AMZ_DATE) or _only(headers, DATE)
    if MOMENT.fullmatch(text):
        _time_of(text)
        return text
    try:
        return parsedate_to_datetime(text).astimezone(UTC).strftime(MOMENT_FORM)
    except (ValueError, TypeError, OverflowError):
        raise IncompleteSignature(
            "Authorization header requires a valid 'X-Amz-Date' or 'Date' header"
        ) from None


@lru_cache(maxsize=256)
def _time_of(moment: str) -> float:
    """By the wall clock. Most requests are of this second, and taking a date apart is slow."""
    try:
        return datetime.strptime(moment, MOMENT_FORM).replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise IncompleteSignature(f"The date {moment!r} is none") from None


def _check_signed(signed: tuple[str, ...], headers: MultiMapping[str]) -> None:
    if list(signed) != sorted(set(signed)) or not all(map(HEADER_NAME.fullmatch, signed)):
        raise IncompleteSignature("SignedHeaders must be in lower case, in order, each once")
    names = frozenset(signed)
    here = {name.lower() for name in headers}
    if missing := sorted(names - here):
        raise IncompleteSignature(
            f"The header {missing[0][:SHOWN_CHARS]!r} is signed, but not sent"
        )
    needed = {name for name in here if name.startswith(MUST_BE_SIGNED)}
    needed |= {"host", AMZ_DATE if AMZ_DATE in here else DATE}
    if unsigned := sorted(needed - names):
        raise IncompleteSignature(
            f"The header {unsigned[0][:SHOWN_CHARS]!r} must be there and in SignedHeaders"
        )


def _digest(headers: MultiMapping[str]) -> str:
    """The digest that the request says its body has. Raises BadSignature for forms without one."""
    digest = _only(headers, BODY_DIGEST)
    if digest and not DIGEST.fullmatch(digest):
        raise BadSignature(
            f"x-amz-content-sha256 is {digest[:SHOWN_CHARS]!r}: only bodies whose digest is signed"
            " are taken here"
        )
    return digest


def _only(headers: MultiMapping[str], name: str) -> str:
    values = headers.getall(name, ())
    if len(values) > 1:
        raise IncompleteSignature(f"The header {name} is there {len(values)} times")
    return values[0].strip() if values else ""
