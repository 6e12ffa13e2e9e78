"""Logging: one line per event on stderr, with a level and the room that speaks.

Leaves the request log to the gateway and the models' own output to the model server.
"""

from __future__ import annotations

import logging
import sys

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


def configure_logging(level: str) -> None:
    """Send the log of every room to stderr from `level` (a logging level name) upwards."""
    logging.basicConfig(stream=sys.stderr, level=level.upper(), format=FORMAT, force=True)
    # botocore speaks of credentials lookup at INFO; nobody running an endpoint asked for it.
    for chatty in ("botocore", "boto3", "urllib3", "s3transfer", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
