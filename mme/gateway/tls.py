"""TLS by files: a certificate, its key, and who has signed clients' certificates.

`TlsFiles` makes a context of what the files hold, and a new one when they have changed; what cannot
be used leaves the last good one in place. Each connection speaks by the context that is there when
it opens. When the files are looked at is up to `mme.app.listening`, handshakes to `secured.py`.
"""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mme.access.secret_file import mark_of
from mme.core.settings import SettingsError
from mme.gateway.pem import PemUnusable, load_authorities, load_pair, valid_until
from mme.gateway.ports import HEALTH
from mme.gateway.sites import Forbidden

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aiohttp import web

log = logging.getLogger(__name__)

LARGEST_BYTES = 1024 * 1024
"""Of a file of certificates; the system's own of all authorities has a quarter."""


@dataclass(frozen=True, slots=True)
class TlsPaths:
    """Which files; the key may stand in the certificate's."""

    certificate: Path
    key: Path
    authorities: Path | None = None

    def named(self) -> dict[str, tuple[str, Path]]:
        """What each file is for: its setting and its path."""
        files = {
            "certificate": ("MME_TLS_CERT", self.certificate),
            "key": ("MME_TLS_KEY", self.key),
        }
        if self.authorities is not None:
            files["authorities"] = ("MME_TLS_CLIENT_CA", self.authorities)
        return files


class TlsFiles:
    """The context of these files; `context` is safe to read while `look` runs in a thread."""

    def __init__(
        self, paths: TlsPaths, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Raises SettingsError that names the file and what is wrong with it."""
        self._paths = paths
        self._now = now
        self.held: dict[str, bytes] = {}
        """What was in the files that the context is made of, by what each is for."""
        self._state = self._look_of_files()
        self.context = self._made()

    def look(self) -> None:
        """Make a new context if a file has changed; one that cannot be used is logged, once."""
        state = self._look_of_files()
        if state == self._state:
            return
        self._state = state
        try:
            self.context = self._made()
        except SettingsError as error:
            log.error(  # noqa: TRY400 - what is wrong is in its words
                "%s; new connections are given the certificate as it was", error
            )

    def _made(self) -> ssl.SSLContext:
        held = {what: _read(*named) for what, named in self._paths.named().items()}
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols(["http/1.1"])
        try:
            load_pair(context, held["certificate"], held["key"])
            if "authorities" in held:
                load_authorities(context, held["authorities"])
                # Whoever shows none may ask for health: probes have no certificates.
                context.verify_mode = ssl.CERT_OPTIONAL
        except PemUnusable as error:
            raise self._refusal(error) from None
        self._tell(held["certificate"])
        self.held = held
        return context

    def _refusal(self, error: PemUnusable) -> SettingsError:
        setting, path = self._paths.named()[error.what]
        return SettingsError(f"{setting}={str(path)!r}: the file {error}")

    def _tell(self, certificate: bytes) -> None:
        until = valid_until(certificate)
        if until is None:
            return
        if until < self._now():
            log.warning("the certificate in %s is out of date: %s", self._paths.certificate, until)
        else:
            log.info("the certificate in %s is valid until %s", self._paths.certificate, until)

    def _look_of_files(self) -> tuple[object, ...]:
        """What changes when a file is written, replaced, or a link on its way is set anew."""
        return tuple(mark_of(path) for _, path in self._paths.named().values())


def check_certificate(request: web.BaseRequest, path: str) -> None:
    """Raise Forbidden for a client that has shown no certificate, unless it asks for health."""
    if path in HEALTH:
        return
    transport = request.transport
    if transport is None or not transport.get_extra_info("peercert"):
        raise Forbidden(
            "A client certificate is needed here, signed by an authority of MME_TLS_CLIENT_CA"
        )


def _read(setting: str, path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            held = file.read(LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(f"{setting}={str(path)!r}: {reason}") from None
    if len(held) > LARGEST_BYTES:
        raise SettingsError(
            f"{setting}={str(path)!r}: the file has more than {LARGEST_BYTES} bytes"
        )
    return held
