"""What is off by default and matters once others reach the endpoint: told at the start. Pure."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from mme.core.allowed_code import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mme.core.settings import Settings

LOCAL_NAME = "localhost"
INVOKE = "invoke models"
MANAGE = "load and unload models, and read what the endpoint does"


def open_doors(settings: Settings) -> list[str]:
    """What anyone may do who reaches the endpoint, where it is not only local, and whose code runs.

    A sentence each.
    """
    places = [
        (place, may)
        for host, port, may in _places(settings)
        if not is_loopback(host)
        for place in [f"{host} port {port}" if port else host]
    ]
    told = []
    if not (has_tokens(settings) or has_keys(settings) or settings.tls_client_ca is not None):
        told += [
            f"anyone who reaches {place} may {may}: MME_TOKENS_FILE says who may"
            for place, may in places
        ]
    if places and settings.tls_cert is None:
        told.append(
            "requests and answers go unencrypted: MME_TLS_CERT and MME_TLS_KEY, or a proxy, mend"
            " that"
        )
    return told + code_allowed(settings)


def code_allowed(settings: Settings) -> list[str]:
    """Who may run code by writing artifacts: one sentence, none where nobody may."""
    patterns = settings.allow_code
    if not patterns:
        return []
    if patterns == EVERYTHING:
        return ["whoever writes artifacts to where models come from may run code: MME_ALLOW_CODE=1"]
    named = ", ".join(patterns)
    return [f"whoever writes artifacts of these names may run code: {named} (MME_ALLOW_CODE)"]


def _places(settings: Settings) -> Iterator[tuple[str, int, str]]:
    """Host and port of each place that is listened on, and what can be done there."""
    is_apart = settings.management_port is not None
    if settings.socket is None:
        yield settings.host, settings.port, INVOKE if is_apart else f"{INVOKE}, {MANAGE}"
    if settings.grpc_port is not None:
        yield settings.host, settings.grpc_port, INVOKE if is_apart else f"{INVOKE}, {MANAGE}"
    if settings.management_port is not None:
        yield settings.management_host or settings.host, settings.management_port, MANAGE


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address `host`; a name that is no address: no."""
    if host == LOCAL_NAME or host.endswith(f".{LOCAL_NAME}"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def has_tokens(settings: Settings) -> bool:
    """Whether callers need a token."""
    return settings.tokens_file is not None


def has_keys(settings: Settings) -> bool:
    """Whether signatures of AWS's clients are checked."""
    return settings.sigv4_keys_file is not None
