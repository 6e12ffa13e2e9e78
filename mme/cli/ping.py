"""`python -m mme.cli.ping`: exit 0 if this container answers `/ping` with 200; for HEALTHCHECK.

Imports next to nothing: it runs every few seconds for as long as the container does.
"""

from __future__ import annotations

import http.client
import os
import sys

from mme.app.modes import public_port

TIMEOUT_S = 2.5
OK = 200


def main() -> int:
    """Ask once; what went wrong is said on stderr."""
    try:
        connection = http.client.HTTPConnection(
            "127.0.0.1", public_port(os.environ), timeout=TIMEOUT_S
        )
        connection.request("GET", "/ping")
        status = connection.getresponse().status
    except (OSError, ValueError, http.client.HTTPException) as error:
        print(f"/ping: {error}", file=sys.stderr)
        return 1
    print(f"/ping: {status}", file=sys.stderr)
    return 0 if status == OK else 1


if __name__ == "__main__":
    sys.exit(main())
