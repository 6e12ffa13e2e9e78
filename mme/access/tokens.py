"""Bearer tokens: which caller has the one that a request bears.

Only digests are kept. They are what is looked up: whoever guesses learns from the time it takes no
more than how digests begin, of which no token can be made.
"""

from __future__ import annotations

import re
import time
from hashlib import sha256
from typing import TYPE_CHECKING

from mme.access.lines import entries_of
from mme.access.refusals import UnknownCaller

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mme.access.caller import Caller
    from mme.access.secret_file import SecretText, Watched

OPTIONS = frozenset({"targets", "endpoints", "expires"})
DIGEST = re.compile(r"sha256:([0-9a-fA-F]{64})", re.ASCII)
LEAST_CHARS = 16
PLAIN = re.compile(r"[!-~]+", re.ASCII)


def parse_tokens(content: SecretText) -> Mapping[bytes, Caller]:
    """Callers by the digests of their tokens. Raises FileRefused.

    A token stands there as `sha256:` and its digest in hexadecimal digits, or as it is; then nobody
    else may be able to read the file.
    """
    callers: dict[bytes, Caller] = {}
    for entry in entries_of(content.text, options=OPTIONS):
        if found := DIGEST.fullmatch(entry.secret):
            digest = bytes.fromhex(found[1])
        elif entry.secret.startswith("sha256:"):
            raise entry.refused("after sha256: come 64 hexadecimal digits")
        else:
            content.check_private()
            if len(entry.secret) < LEAST_CHARS or not PLAIN.fullmatch(entry.secret):
                raise entry.refused(f"a token has at least {LEAST_CHARS} characters, all of ASCII")
            digest = sha256(entry.secret.encode()).digest()
        if digest in callers:
            raise entry.refused(f"it is the token of {callers[digest].name}, too")
        callers[digest] = entry.caller
    return callers


class Tokens:
    """The tokens of a file."""

    def __init__(
        self,
        file: Watched[Mapping[bytes, Caller]],
        *,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._file = file
        self._wall = wall

    def caller_of(self, token: str) -> Caller:
        """Whose token it is. Raises UnknownCaller, Expired."""
        digest = sha256(token.encode("utf-8", "surrogateescape")).digest()
        caller = self._file.content.get(digest)
        if caller is None:
            raise UnknownCaller("The bearer token is not one that is known here")
        caller.check_time(self._wall())
        return caller
