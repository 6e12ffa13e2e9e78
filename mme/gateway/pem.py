"""What is in a certificate's and a key's file, said in words where it cannot be used.

OpenSSL says "PEM lib" of nearly everything; an operator needs to know which file it is and what is
wrong with it. Everything works on bytes that have been read once: a file that is being replaced
cannot be one thing when it is checked and another when it is used.
"""

from __future__ import annotations

import os
import re
import ssl
from datetime import UTC, datetime

CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
KEY_BEGINS = re.compile(rb"-----BEGIN ([A-Z ]*)PRIVATE KEY-----")
ENCRYPTED = b"ENCRYPTED"
VERSION, UTC_TIME, LONG_TIME = 0xA0, 0x17, 0x18
LONG_LENGTH = 0x80
BEFORE_VALIDITY = 3
"""Serial number, algorithm and issuer."""


class PemUnusable(ValueError):
    """Contents of a file that cannot be used; the message goes on after the file's name."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(reason)
        self.what = what
        """`certificate` or `key`: whose file it is."""


def load_pair(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Have `context` show the certificates, the first being its own. Raises PemUnusable."""
    found = CERTIFICATE.findall(certificate)
    if not found:
        raise PemUnusable("certificate", "holds no certificate in PEM form (BEGIN CERTIFICATE)")
    begin = KEY_BEGINS.search(key)
    if begin is None:
        raise PemUnusable("key", "holds no private key in PEM form (BEGIN PRIVATE KEY)")
    if ENCRYPTED in begin[1] or ENCRYPTED in key[begin.end() :][:100]:
        raise PemUnusable("key", "is protected by a passphrase; write the key without one")
    try:
        _load(context, b"\n".join([*found, key]))
    except ssl.SSLError as error:
        raise _named(error, found) from None


def load_authorities(context: ssl.SSLContext, authorities: bytes) -> None:
    """Have `context` trust clients these authorities have signed. Raises PemUnusable."""
    found = CERTIFICATE.findall(authorities)
    if not found:
        raise PemUnusable("authorities", "holds no certificate in PEM form (BEGIN CERTIFICATE)")
    try:
        context.load_verify_locations(cadata=b"\n".join(found).decode("ascii"))
    except (ssl.SSLError, UnicodeDecodeError):
        reason = "has a certificate that cannot be read"
        raise PemUnusable("authorities", reason) from None


def valid_until(certificate: bytes) -> datetime | None:
    """Until when the first certificate in a file is valid; None where that cannot be read."""
    found = CERTIFICATE.search(certificate)
    try:
        return None if found is None else _valid_until(ssl.PEM_cert_to_DER_cert(found[0].decode()))
    except (ValueError, IndexError):
        return None


def _load(context: ssl.SSLContext, pem: bytes) -> None:
    """Load what OpenSSL only reads from files."""
    place = os.memfd_create("pair", os.MFD_CLOEXEC)
    try:
        with open(place, "wb", closefd=False) as file:
            file.write(pem)
        context.load_cert_chain(f"/proc/self/fd/{place}", password=_no_passphrase)
    finally:
        os.close(place)


def _no_passphrase() -> str:
    """Asked for at a terminal otherwise, where nobody may be."""
    return ""


def _named(error: ssl.SSLError, certificates: list[bytes]) -> PemUnusable:
    if error.reason == "KEY_VALUES_MISMATCH":
        return PemUnusable("key", "is not the key of the first certificate")
    if error.reason:
        return PemUnusable("certificate", f"cannot be used: {error.reason.replace('_', ' ')}")
    try:
        for each in certificates:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=each.decode())
    except (ssl.SSLError, UnicodeDecodeError):
        return PemUnusable("certificate", "has a certificate that cannot be read")
    return PemUnusable("key", "has a private key that cannot be read")


def _valid_until(der: bytes) -> datetime | None:
    """Certificate → what is signed → validity, the fourth part after the version → its second."""
    at = _inside(der, _inside(der, 0))
    if der[at] == VERSION:
        at = _after(der, at)
    for _ in range(BEFORE_VALIDITY):
        at = _after(der, at)
    at = _after(der, _inside(der, at))
    text = der[_inside(der, at) : _after(der, at)].decode("ascii")
    form = {UTC_TIME: "%y%m%d%H%M%SZ", LONG_TIME: "%Y%m%d%H%M%SZ"}.get(der[at])
    return None if form is None else datetime.strptime(text, form).replace(tzinfo=UTC)


def _length(der: bytes, at: int) -> tuple[int, int]:
    """Where the content of the element at `at` begins, and how long it is."""
    first = der[at + 1]
    if first < LONG_LENGTH:
        return at + 2, first
    count = first - LONG_LENGTH
    return at + 2 + count, int.from_bytes(der[at + 2 : at + 2 + count], "big")


def _inside(der: bytes, at: int) -> int:
    return _length(der, at)[0]


def _after(der: bytes, at: int) -> int:
    begin, size = _length(der, at)
    return begin + size
