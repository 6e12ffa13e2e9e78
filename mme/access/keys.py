"""Access keys of AWS clients: the secret of each, and who has it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mme.access.lines import entries_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mme.access.caller import Caller
    from mme.access.secret_file import SecretText

OPTIONS = frozenset({"targets", "endpoints", "expires", "session"})
LEAST_CHARS = 16


@dataclass(frozen=True, slots=True)
class Key:
    """One access key."""

    caller: Caller
    """Its name is the access key."""
    secret: str = field(repr=False)
    session: str = field(default="", repr=False)
    """The session token that must come with it, if one must."""


def parse_keys(content: SecretText) -> Mapping[str, Key]:
    """Keys by access key. Raises FileRefused, also if others may read the file."""
    content.check_private()
    keys = {}
    for entry in entries_of(content.text, options=OPTIONS):
        if len(entry.secret) < LEAST_CHARS:
            raise entry.refused(f"a secret has at least {LEAST_CHARS} characters")
        keys[entry.caller.name] = Key(entry.caller, entry.secret, entry.session)
    return keys
