"""What is off by default and matters once others reach the endpoint: told at the start. Pure."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mme.core.settings import Settings

LOCAL_NAME = "localhost"


def open_doors(settings: Settings) -> list[str]:
    """What anyone may do who reaches the endpoint; a sentence each, none where it is only local."""
    if getattr(settings, "socket", None) or is_loopback(settings.host):
        return []
    where = f"{settings.host} port {settings.port}"
    told = []
    if not (getattr(settings, "tokens_file", None) or getattr(settings, "sigv4_keys_file", None)):
        told.append(
            f"anyone who reaches {where} may invoke, load and unload models and read what is there:"
            " MME_TOKENS_FILE says who may"
        )
    if not getattr(settings, "tls_cert", None):
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
