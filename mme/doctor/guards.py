"""Whether the files can be used that say who may, and by which certificate TLS is spoken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from mme.app.access import gate_of
from mme.core.settings import SettingsError
from mme.doctor.finding import Finding, failed, ok, warning
from mme.gateway.pem import valid_until
from mme.gateway.tls import TlsFiles, TlsPaths

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mme.core.settings import Settings

CALLERS, TLS = "callers", "TLS"
NOTICE = timedelta(days=21)


def check_guards(settings: Settings, now: datetime | None = None) -> list[Finding]:
    """What is set of both; nothing where nothing is. Blocking."""
    return [*_callers(settings), *_certificate(settings, now or datetime.now(UTC))]


def _callers(settings: Settings) -> Iterator[Finding]:
    files = [path for path in (settings.tokens_file, settings.sigv4_keys_file) if path is not None]
    if not files:
        return
    try:
        gate_of(settings)
    except SettingsError as error:
        yield failed(CALLERS, str(error), "see docs/who-may.md")
    else:
        yield ok(CALLERS, f"{' and '.join(map(str, files))} can be used")


def _certificate(settings: Settings, now: datetime) -> Iterator[Finding]:
    if settings.tls_cert is None:
        return
    key = settings.tls_key or settings.tls_cert
    try:
        TlsFiles(TlsPaths(settings.tls_cert, key, settings.tls_client_ca))
        until = valid_until(settings.tls_cert.read_bytes())
    except (SettingsError, OSError) as error:
        yield failed(TLS, str(error), "see docs/network.md")
        return
    if until is None:
        yield ok(TLS, f"{settings.tls_cert} can be used")
    elif until < now:
        yield failed(
            TLS, f"the certificate in {settings.tls_cert} is out of date: {until}", "renew it"
        )
    elif until < now + NOTICE:
        yield warning(TLS, f"the certificate in {settings.tls_cert} ends on {until}", "renew it")
    else:
        yield ok(TLS, f"the certificate in {settings.tls_cert} is valid until {until}")
