"""What is off by default and matters once others reach the endpoint: told at the start. Pure."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mme.core.settings import Settings

LOCAL_NAME = "localhost"


def open_doors(settings: Settings) -> list[str]:
    """What anyone may do who reaches the endpoint; a sentence each, none where it is only local."""
    if settings.socket is not None or is_loopback(settings.host):
        return []
    where = f"{settings.host} port {settings.port}" if settings.port else settings.host
    told = []
    if not has_tokens(settings) and not has_keys(settings):
        told.append(
            f"anyone who reaches {where} may invoke {_and_manage(settings)}: MME_TOKENS_FILE says"
            " who may"
        )
    if settings.tls_cert is None:
        told.append(
            "requests and answers go unencrypted: MME_TLS_CERT and MME_TLS_KEY, or a proxy, mend"
            " that"
        )
    return told


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
    return getattr(settings, "tokens_file", None) is not None


def has_keys(settings: Settings) -> bool:
    """Whether signatures of AWS's clients are checked."""
    return getattr(settings, "sigv4_keys_file", None) is not None


def _and_manage(settings: Settings) -> str:
    if settings.management_port is not None and is_loopback(
        settings.management_host or settings.host
    ):
        return "models"
    return "models, load and unload them, and read what the endpoint does"
