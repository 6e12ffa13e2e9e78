"""Who may, as the settings say: files of callers, their limits, what is said at the start."""

from __future__ import annotations

import glob
import ipaddress
import logging
from typing import TYPE_CHECKING, TypeVar

from mme.access.keys import parse_keys
from mme.access.limits import Limits
from mme.access.secret_file import FileRefused, Watched
from mme.access.signatures import Signatures
from mme.access.tokens import Tokens, parse_tokens
from mme.core.names import S3_SCHEME
from mme.core.settings import SettingsError
from mme.gateway.gate import Gate
from mme.store.buckets import Buckets

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mme.access.secret_file import SecretText
    from mme.core.settings import Settings

log = logging.getLogger(__name__)

Content = TypeVar("Content")


def gate_of(settings: Settings) -> Gate | None:
    """The gate that the settings want, if they want one. Raises SettingsError."""
    tokens = signatures = None
    if settings.tokens_file is not None:
        tokens = Tokens(_watched("MME_TOKENS_FILE", settings.tokens_file, parse_tokens))
    if settings.sigv4_keys_file is not None:
        keys = _watched("MME_SIGV4_KEYS_FILE", settings.sigv4_keys_file, parse_keys)
        signatures = Signatures(keys, skew_s=settings.sigv4_skew_s)
    is_anybody = tokens is None and signatures is None
    is_limited = settings.rate_limit is not None or settings.concurrency_limit is not None
    _tell_what_is_off(settings, is_anybody=is_anybody)
    if is_anybody and not is_limited:
        return None
    limits = Limits(settings.rate_limit, settings.concurrency_limit)
    return Gate(tokens, signatures, limits, body_limit_bytes=settings.max_body_bytes)


def _tell_what_is_off(settings: Settings, *, is_anybody: bool) -> None:
    """Say what other machines may do, and read, that reach a port."""
    hosts = [] if settings.socket is not None else [settings.host]
    if settings.management_port is not None:
        hosts.append(settings.management_host or settings.host)
    reached = [host for host in dict.fromkeys(hosts) if not _is_loopback(host)]
    if not reached:
        return
    off = []
    if is_anybody and settings.tls_client_ca is None:
        off.append("anybody may invoke and manage (MME_TOKENS_FILE, MME_SIGV4_KEYS_FILE)")
    if settings.tls_cert is None:
        off.append("nothing is encrypted (MME_TLS_CERT)")
    if off:
        log.warning(
            "other machines reach %s, and %s; see docs/who-may.md",
            " and ".join(reached),
            ", ".join(off),
        )


def buckets_of(settings: Settings) -> Buckets:
    """What requests may name in S3; where the operator has answers put is among it."""
    patterns = settings.buckets
    if patterns and settings.async_output:
        place = settings.async_output.removeprefix(S3_SCHEME)
        patterns = (*patterns, f"{glob.escape(place.rstrip('/'))}/*")
    return Buckets(patterns)


def _watched(variable: str, path: Path, parse: Callable[[SecretText], Content]) -> Watched[Content]:
    try:
        return Watched(path, parse)
    except FileRefused as error:
        raise SettingsError(f"{variable}={str(path)!r}: {error}") from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
