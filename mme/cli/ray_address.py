"""The Ray cluster that the command line names: what can be said of it before Ray is imported."""

from __future__ import annotations

import importlib.util
import os
import socket

from mme.core.errors import EndpointError
from mme.jobs.transform.errors import TransformRefused

RAY = "ray"
CONNECT_TIMEOUT_S = 10.0


class ClusterFailed(EndpointError):
    """The cluster cannot be reached, or cannot do what is wanted."""


def ray_address(named: str) -> str:
    """From `ray` or `ray://HOST:PORT`; empty: of the cluster this machine is of.

    Raises TransformRefused, also where Ray is not installed.
    """
    scheme, separator, rest = named.partition("://")
    if scheme != RAY or bool(separator) != bool(rest):
        raise TransformRefused(f"--on is {named!r}: write ray or ray://HOST:PORT")
    if importlib.util.find_spec("ray") is None:
        raise TransformRefused(
            f"--on {named} needs the extra mme[ray], of which ray is not installed: pip install"
            " 'mme[ray]', or EXTRAS=ray for make"
        )
    return named if separator else ""


def check_reachable(address: str) -> None:
    """Raise ClusterFailed where nobody listens; Ray would look for somebody for minutes.

    Where neither we nor its own variable name an address, Ray looks for a cluster of this machine.
    """
    named = address or os.environ.get("RAY_ADDRESS", "")
    host, separator, port = named.rpartition("://")[2].rpartition(":")
    if not separator or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_TIMEOUT_S).close()
    except (OSError, OverflowError, UnicodeError) as error:  # the last: no host's name
        raise ClusterFailed(f"no Ray cluster can be reached at {named}: {error}") from error
