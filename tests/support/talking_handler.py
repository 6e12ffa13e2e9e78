"""A handler that says something in every way there is, as its body tells it."""

from __future__ import annotations

import logging
import os
import sys

log = logging.getLogger("talking")


def handle(data, context):
    if data is None:
        print("at load")  # noqa: T201 - that is what it is for
        return None
    words = bytes(data[0]["body"]).decode()
    context.set_response_content_type(0, "text/plain")
    print("printed", words)  # noqa: T201
    print("told on stderr", words, file=sys.stderr)  # noqa: T201
    log.info("logged %s", words)
    log.debug("whispered %s", words)
    sys.stdout.write(f"without an end {words}")
    if os.environ.get("MME_DOORS"):  # no rehearsal
        os.write(2, f"past Python {words}\n".encode())
    try:
        raise ValueError(f"{words}\n2026-01-01 00:00:00,000 INFO    root: forged")  # noqa: TRY301
    except ValueError:
        log.exception("failed")
    return ["said"]
