"""What the command's exit codes mean: one table for all commands, and what leads to which."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from mme.cli.client import NoSuchModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mme.cli.client import Refused

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_UNREACHABLE = 3
EXIT_NOT_FOUND = 4
EXIT_NOT_ALLOWED = 5
EXIT_BUSY = 6
EXIT_INTERRUPTED = 130
EXIT_PIPE = 141

MEANINGS = {
    EXIT_OK: "done",
    EXIT_FAILED: "it could not be done, or not to its end",
    EXIT_USAGE: "an option or a setting cannot be used",
    EXIT_UNREACHABLE: "nobody answers at the endpoint's address",
    EXIT_NOT_FOUND: "there is no such model here or in the store, or no such deployment",
    EXIT_NOT_ALLOWED: "the endpoint wants a token, or this one may not do that",
    EXIT_BUSY: "the endpoint has too much to do, or no room, now: try again",
    EXIT_INTERRUPTED: "stopped by Ctrl-C",
    EXIT_PIPE: "whoever read the output has stopped reading",
}
"""As `mme --help` and docs/cli.md have it."""

OF_STATUS: Mapping[int, int] = {
    HTTPStatus.UNAUTHORIZED: EXIT_NOT_ALLOWED,
    HTTPStatus.FORBIDDEN: EXIT_NOT_ALLOWED,
    HTTPStatus.TOO_MANY_REQUESTS: EXIT_BUSY,
    HTTPStatus.SERVICE_UNAVAILABLE: EXIT_BUSY,
    HTTPStatus.INSUFFICIENT_STORAGE: EXIT_BUSY,
}


def code_of(error: Refused) -> int:
    """The exit code for what an endpoint refuses."""
    if isinstance(error, NoSuchModel):
        return EXIT_NOT_FOUND
    return OF_STATUS.get(error.status, EXIT_FAILED)
