"""An artifact's modules in a process: found first, and those of no other artifact ever.

A worker is a fork of a process that has this project's modules and many packages imported, so an
artifact's `models.py` would never be looked for. What it brings hides what was imported under the
same name, but for Python's own modules and those the toolkit stands on: these came first in stock's
processes too. A former artifact's modules are forgotten; where several parts of one artifact take
turns, each gets back those that were its own.
"""

from __future__ import annotations

import os
import sys
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path
    from types import ModuleType

FIRST = sys.stdlib_module_names | {"sagemaker_inference", "mms", "numpy", "scipy", "six"}
NONE: Mapping[str, ModuleType] = MappingProxyType({})

_folders: list[str] = []
"""Of the artifact whose code this process, or one it was forked from, runs."""
_names: list[str] = []
"""The names of its modules."""
_hidden: dict[str, ModuleType] = {}
"""What was imported before under names of theirs."""
_holders: list[OwnModules] = []
"""Whose turn it is, where parts of an artifact take turns; one at most."""


class OwnModules:
    """The modules of one part of an artifact."""

    def __init__(self, folders: Iterable[Path], given: Mapping[str, ModuleType] = NONE) -> None:
        """`given` are there without being in a folder."""
        self._folders = tuple(folders)
        self._known = given

    def take_turn(self) -> None:
        """Have these found, as they were at its last turn, and no other part's."""
        if self not in _holders:
            take_over(*self._folders, known=self._known)
            _holders.append(self)

    def keep(self, found: Mapping[str, ModuleType]) -> None:
        """For `forget`: what it had when its turn ended."""
        self._known = found


def take_over(*folders: Path, known: Mapping[str, ModuleType] = NONE) -> None:
    """Have modules of these folders found first, and those of former artifacts not at all.

    `known` are imported already.
    """
    forget()
    _folders.extend(map(str, folders))
    found = {name for folder in folders for name in _names_in(folder)} - FIRST
    _names.extend(found | known.keys())
    _hidden.update(_taken_out(_names))
    sys.modules.update(known)
    sys.path[:0] = _folders
    # The artifact's files are not to be written beside.
    sys.dont_write_bytecode = True


def forget() -> None:
    """Let the modules taken over be found no more, and what they hid again."""
    for folder in _folders:
        while folder in sys.path:
            sys.path.remove(folder)
    found = _taken_out(_names)
    _folders.clear()
    _names.clear()
    sys.modules.update(_hidden)
    _hidden.clear()
    while _holders:
        _holders.pop().keep(found)


def _taken_out(names: Iterable[str]) -> dict[str, ModuleType]:
    """Remove these modules, and what is in them, from those that are imported; returns them.

    All that are imported are looked at only for the sake of a package: a fork that looks at an
    object writes to it, and so copies its page.
    """
    found = [name for name in names if name in sys.modules]
    if any(hasattr(sys.modules[name], "__path__") for name in found):
        tops = set(found)
        found = [name for name in sys.modules if name in tops or name.partition(".")[0] in tops]
    return {name: sys.modules.pop(name) for name in found}


def _names_in(code: Path) -> Iterator[str]:
    """The modules and packages a folder has."""
    with os.scandir(code) as entries:
        for entry in entries:
            name, _, ending = entry.name.partition(".")
            if entry.is_dir() or ending.endswith(("py", "so", "pyc")):
                yield name
