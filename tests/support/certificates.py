"""Certificates for tests: an authority of our own, and what it signs."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pathlib import Path

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)
PEM = serialization.Encoding.PEM


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(PEM)

    @property
    def key_pem(self) -> bytes:
        return self.locked(None)

    def locked(self, passphrase: bytes | None) -> bytes:
        """The key in PEM form, with a passphrase if there is one."""
        form = serialization.PrivateFormat.PKCS8
        how = (
            serialization.BestAvailableEncryption(passphrase)
            if passphrase
            else serialization.NoEncryption()
        )
        return self.key.private_bytes(PEM, form, how)

    def signs(self, name: str, *, until: dt.datetime = NOW + DAY, hosts: bool = True) -> Pair:
        """A pair for this machine that this one vouches for."""
        return _made(name, self, until, hosts=hosts)

    def written(self, folder: Path, name: str) -> tuple[Path, Path]:
        """The two files, in `folder`."""
        paths = folder / f"{name}.crt", folder / f"{name}.key"
        for path, content in zip(paths, (self.pem, self.key_pem), strict=True):
            path.write_bytes(content)
        return paths


def authority(name: str = "authority") -> Pair:
    """One that signs others, and itself."""
    return _made(name, None, NOW + 365 * DAY, hosts=False)


def client_context(trusted: Pair, own: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    """What a client that trusts `trusted` speaks by, showing a pair of its own if it has one."""
    context = ssl.create_default_context(cadata=trusted.pem.decode())
    if own is not None:
        context.load_cert_chain(*own)
    return context


def _made(name: str, by: Pair | None, until: dt.datetime, *, hosts: bool) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = by.key if by else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(NOW, until) - DAY)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if by is None:
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        builder = builder.add_extension(usage, critical=True)
    if hosts:
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), address]), critical=False
        )
    return Pair(builder.sign(signer, hashes.SHA256()), key)
