"""A small file of secrets: read with a look at who else may read it, and again when it changes.

A new content that cannot be used is told once, and the one before goes on. Blocks for the time of
one `stat` a second, and of one read after a change.
"""

from __future__ import annotations

import logging
import os
import stat
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

log = logging.getLogger(__name__)

Content = TypeVar("Content")
MOST_BYTES = 1024 * 1024
LOOK_EVERY_S = 1.0
FOR_OTHERS = stat.S_IRWXO
FOR_GROUP = stat.S_IRWXG


class FileRefused(ValueError):
    """A file that cannot be used; the message holds none of its secrets."""


@dataclass(frozen=True, slots=True)
class SecretText:
    """What a file says, and why it is no secret, or ""."""

    text: str
    exposed: str

    def check_private(self) -> None:
        """Raise FileRefused if others may read the file."""
        if self.exposed:
            raise FileRefused(f"it holds secrets as they are, and {self.exposed}")


def read_text(path: Path) -> SecretText:
    """The content of a file. Raises FileRefused."""
    try:
        # A pipe would keep the endpoint waiting, were it opened as a file is.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise FileRefused(f"it cannot be read: {error.strerror}") from None
    try:
        with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor has no path
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode):
                raise FileRefused("it is no file")
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise FileRefused(f"it cannot be read: {error.strerror}") from None
    if len(content) > MOST_BYTES:
        raise FileRefused(f"it has more than {MOST_BYTES} bytes")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise FileRefused("it is not UTF-8") from None
    return SecretText(text, _exposure(facts))


def _exposure(facts: os.stat_result) -> str:
    """Who but the endpoint may read it.

    One of root's may be our group's: so a cluster hands secrets to those that are not root.
    """
    mode = stat.S_IMODE(facts.st_mode)
    is_lent = facts.st_uid == 0 and os.geteuid() != 0
    if mode & (FOR_OTHERS if is_lent else FOR_OTHERS | FOR_GROUP):
        least = "0640" if is_lent else "0600"
        return f"others may read it (its mode is {mode:04o}): chmod {least} it"
    return ""


class Watched(Generic[Content]):
    """What a file means, as of a second ago. Not for several threads."""

    def __init__(
        self,
        path: Path,
        parse: Callable[[SecretText], Content],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises FileRefused, so that nobody starts without those it was told of."""
        self._path = path
        self._parse = parse
        self._clock = clock
        self._mark = mark_of(path)
        self._content = parse(read_text(path))
        self._next_look_s = clock() + LOOK_EVERY_S

    @property
    def content(self) -> Content:
        """What it means now."""
        now_s = self._clock()
        if now_s >= self._next_look_s:
            self._next_look_s = now_s + LOOK_EVERY_S
            self._look()
        return self._content

    def _look(self) -> None:
        mark = mark_of(self._path)
        if mark == self._mark:
            return
        self._mark = mark
        try:
            self._content = self._parse(read_text(self._path))
        except FileRefused as error:
            log.error(  # noqa: TRY400 - the reason is in the message
                "%s has changed and is not used: %s; what it said before goes on",
                self._path,
                error,
            )
        else:
            log.info("%s has changed and was read again", self._path)


def mark_of(path: Path) -> tuple[int, ...]:
    """What changes whenever the file, or who may read it, does."""
    try:
        facts = path.stat()
    except OSError as error:
        return (error.errno or 0,)
    return (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
