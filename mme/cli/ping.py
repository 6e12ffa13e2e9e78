"""`python -m mme.cli.ping`: exit 0 if this container answers `/ping` with 200; for HEALTHCHECK.

Asks where the endpoint listens: a port, by TLS if that is spoken there, or a Unix socket. Whose
certificate it is does not matter to who asks the machine it is on. Imports next to nothing: it runs
every few seconds for as long as the container does.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import sys
from typing import TYPE_CHECKING

from mme.app.modes import Mode, public_port, read_platform
from mme.core.unix_http import UnixConnection

if TYPE_CHECKING:
    from collections.abc import Mapping

HOST = "127.0.0.1"
ANY = ("", "0.0.0.0", "::")  # noqa: S104 - all of them, this machine's own among them
TIMEOUT_S = 2.5
OK = 200


def main() -> int:
    """Ask once; what went wrong is said on stderr."""
    try:
        with contextlib.closing(_connection(os.environ)) as connection:
            connection.request("GET", "/ping")
            status = connection.getresponse().status
    except (OSError, ValueError, http.client.HTTPException) as error:
        print(f"/ping: {error}", file=sys.stderr)
        return 1
    print(f"/ping: {status}", file=sys.stderr)
    return 0 if status == OK else 1


def _connection(environ: Mapping[str, str]) -> http.client.HTTPConnection:
    port = public_port(environ)
    if read_platform(environ).mode is Mode.STANDALONE:
        if path := environ.get("MME_SOCKET"):
            return UnixConnection(path, TIMEOUT_S)
        named = environ.get("MME_HOST", "")
        host = HOST if named in ANY else named
        if environ.get("MME_TLS_CERT"):
            import ssl  # noqa: PLC0415 - it takes as long as all else here

            context = ssl._create_unverified_context()  # noqa: S323, SLF001 - this machine
            return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    return http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_S)


if __name__ == "__main__":
    sys.exit(main())
