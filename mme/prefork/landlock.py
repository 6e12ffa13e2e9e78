"""Landlock: which files a process may read and write from now on, and nothing else (landlock(7)).

With a kernel of version 6.7 or later it opens no TCP connection and listens at no port either, and
from 6.12 on it signals no process but itself and its children. Older ones have less, or nothing.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
ASK_VERSION = 1
PATH_BENEATH = 1
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
TRUNCATE = 1 << 14
READING = READ_FILE | READ_DIR
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE
FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""Version -> how many rights about files it knows; later ones know no more."""
NEWEST = 5
ALL_TCP, ALL_SCOPES = 3, 3
NET_FROM, SCOPES_FROM = 4, 6
_LIBC = ctypes.CDLL(None, use_errno=True)


def version() -> int:
    """The version of the kernel's Landlock; 0: there is none."""
    return max(0, int(_LIBC.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), ASK_VERSION)))


def restrict(read: Iterable[str | Path], write: Iterable[str | Path]) -> bool:
    """Allow this process reading below `read`, and everything below `write`; False: no Landlock.

    What is not there is passed over. The process must have no new privileges set.
    """
    abi = version()
    if not abi:
        return False
    rights = (1 << FILE_RIGHTS.get(abi, FILE_RIGHTS[NEWEST])) - 1
    attributes = struct.pack("=Q", rights)
    if abi >= NET_FROM:
        attributes += struct.pack("=Q", ALL_TCP)
    if abi >= SCOPES_FROM:
        attributes += struct.pack("=Q", ALL_SCOPES)
    ruleset = _LIBC.syscall(CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    if ruleset < 0:
        return False
    try:
        for path in read:
            _allow(ruleset, path, READING & rights)
        for path in write:
            _allow(ruleset, path, rights & ~EXECUTE)
        return bool(_LIBC.syscall(RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str | Path, rights: int) -> None:
    with contextlib.suppress(OSError):
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not stat.S_ISDIR(os.fstat(place).st_mode):
                rights &= OF_FILES
            _LIBC.syscall(ADD_RULE, ruleset, PATH_BENEATH, struct.pack("=Qi", rights, place), 0)
        finally:
            os.close(place)
