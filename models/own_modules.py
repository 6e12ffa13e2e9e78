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
        self._names = {name for folder in self._folders for name in _names_in(folder)} - FIRST
        self._known = given

    def take_turn(self) -> None:
        """Have these found, as they were at its last turn, and no other part's."""
        if _taken and _taken[0].holder is self:
            return
        forget()
        names = self._names | self._known.keys()
        hidden = _taken_out(names)
        sys.modules.update(self._known)
        sys.path[:0] = self._folders
        # The artifact's files are not to be written beside.
        sys.dont_write_bytecode = True
        _taken.append(_Taken(self, names, hidden, len(sys.modules)))

    def end_turn(self, now: _Taken) -> None:
        """Have them found no more, and keep them. For `forget`."""
        for folder in self._folders:
            while folder in sys.path:
                sys.path.remove(folder)
        known = self._known.keys()
        if len(sys.modules) == now.count and known <= sys.modules.keys():  # none came since
            self._known = {name: sys.modules.pop(name) for name in known}
        else:
            self._known = _taken_out(now.names)


@dataclass(frozen=True, slots=True)
class _Taken:
    """What this process, or one it was forked from, has found first now."""

    holder: OwnModules
    names: set[str]
    """Of its modules."""
    hidden: dict[str, ModuleType]
    """What was imported before under these names."""
    count: int
    """Of all modules that were imported then."""


_taken: list[_Taken] = []
"""One at most."""


def forget() -> None:
    """Let the modules taken over be found no more, and what they hid again."""
    if _taken:
        now = _taken.pop()
        now.holder.end_turn(now)
        sys.modules.update(now.hidden)


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
