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
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path
    from types import ModuleType

FIRST = sys.stdlib_module_names | {"sagemaker_inference", "mms", "numpy", "scipy", "six"}
NONE: Mapping[str, ModuleType] = MappingProxyType({})


class OwnModules:
    """The modules of one part of an artifact."""

    def __init__(self, folders: Iterable[Path], given: Mapping[str, ModuleType] = NONE) -> None:
        """`given` are there without being in a folder."""
        self._folders = [str(folder) for folder in folders]
        self._names = {name for folder in self._folders for name in _names_in(folder)}
        self._known = given

    def take_turn(self) -> None:
        """Have these found, as they were at its last turn, and no other part's."""
        if not (_taken and _taken[0].holder is self):
            _take(self._folders, self._names, self._known, self)

    def keep(self, found: Mapping[str, ModuleType]) -> None:
        """For `forget`: what it had when its turn ended."""
        self._known = found


@dataclass(frozen=True, slots=True)
class _Taken:
    """What this process, or one it was forked from, has found first now."""

    folders: list[str]
    names: set[str]
    """Of the modules that come from there."""
    hidden: dict[str, ModuleType]
    """What was imported before under names of theirs."""
    known: frozenset[str]
    """Those of them that were imported already."""
    count: int
    """Of all modules that were imported then."""
    holder: OwnModules | None


_taken: list[_Taken] = []
"""One at most."""


def take_over(code: Path) -> None:
    """Have modules of the folder `code` found first, and those of former artifacts not at all."""
    _take([str(code)], set(_names_in(str(code))), NONE, None)


def _take(
    folders: list[str],
    found: set[str],
    known: Mapping[str, ModuleType],
    holder: OwnModules | None,
) -> None:
    forget()
    names = (found - FIRST) | known.keys()
    hidden = _taken_out(names)
    sys.modules.update(known)
    sys.path[:0] = folders
    # The artifact's files are not to be written beside.
    sys.dont_write_bytecode = True
    _taken.append(_Taken(folders, names, hidden, frozenset(known), len(sys.modules), holder))


def forget() -> None:
    """Let the modules taken over be found no more, and what they hid again."""
    if not _taken:
        return
    now = _taken.pop()
    for folder in now.folders:
        while folder in sys.path:
            sys.path.remove(folder)
    if len(sys.modules) == now.count and now.known <= sys.modules.keys():  # none came since
        found = {name: sys.modules.pop(name) for name in now.known}
    else:
        found = _taken_out(now.names)
    sys.modules.update(now.hidden)
    if now.holder is not None:
        now.holder.keep(found)


def _taken_out(names: set[str]) -> dict[str, ModuleType]:
    """Remove these modules, and what is in them, from those that are imported; returns them.

    All that are imported are looked at only for the sake of a package: a fork that looks at an
    object writes to it, and so copies its page.
    """
    found = [name for name in names if name in sys.modules]
    if any(hasattr(sys.modules[name], "__path__") for name in found):
        found = [name for name in sys.modules if name in names or name.partition(".")[0] in names]
    return {name: sys.modules.pop(name) for name in found}


def _names_in(code: str) -> Iterator[str]:
    """The modules and packages a folder has."""
    with os.scandir(code) as entries:
        for entry in entries:
            name, _, ending = entry.name.partition(".")
            if entry.is_dir() or ending.endswith(("py", "so", "pyc")):
                yield name
