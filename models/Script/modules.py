"""An artifact's modules in a process: found first, and those of no other artifact ever.

A worker is a fork of a process that has this project's modules and many packages imported, so an
artifact's `models.py` would never be looked for. What it brings hides what was imported under the
same name, but for Python's own modules and those the toolkit stands on: these came first in stock's
processes too. A former artifact's modules are forgotten.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

FIRST = sys.stdlib_module_names | {"sagemaker_inference", "mms", "numpy", "scipy", "six"}
_theirs: dict[str, list[str]] = {}
"""The folder of an artifact whose code this process, or one it was forked from, has run, and the
names of its modules."""
_hidden: dict[str, ModuleType] = {}
"""What was imported before under names of theirs."""


def take_over(code: Path) -> None:
    """Have modules of the folder `code` found first, and those of former artifacts not at all."""
    forget()
    names = [name for name in _names(code) if name not in FIRST]
    _theirs[str(code)] = names
    _hidden.update(_taken_out(names))
    sys.path.insert(0, str(code))
    # The artifact's files are not to be written beside.
    sys.dont_write_bytecode = True


def forget() -> None:
    """Let the modules of former artifacts be found no more, and what they hid again."""
    for folder, names in _theirs.items():
        while folder in sys.path:
            sys.path.remove(folder)
        _taken_out(names)
    _theirs.clear()
    sys.modules.update(_hidden)
    _hidden.clear()


def _taken_out(names: list[str]) -> dict[str, ModuleType]:
    """Remove these modules, and what is in them, from those that are imported; returns them.

    All that are imported are looked at only for the sake of a package: a fork that looks at an
    object writes to it, and so copies its page.
    """
    found = [name for name in names if name in sys.modules]
    if any(hasattr(sys.modules[name], "__path__") for name in found):
        found = [name for name in sys.modules if name.partition(".")[0] in found]
    return {name: sys.modules.pop(name) for name in found}


def _names(code: Path) -> Iterator[str]:
    """The modules and packages a folder has."""
    with os.scandir(code) as entries:
        for entry in entries:
            name, _, ending = entry.name.partition(".")
            if entry.is_dir() or ending.endswith(("py", "so", "pyc")):
                yield name
