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
_folders: list[str] = []
"""Of artifacts whose code this process, or one it was forked from, has run."""
_hidden: dict[str, ModuleType] = {}
"""What was imported before under names of theirs."""


def take_over(code: Path) -> None:
    """Have modules of the folder `code` found first, and those of former artifacts not at all."""
    forget()
    _folders[:] = [str(code)]
    hidden = set(_names(code)) - FIRST
    for name in [name for name in sys.modules if name.partition(".")[0] in hidden]:
        _hidden[name] = sys.modules.pop(name)
    sys.path.insert(0, str(code))
    # The artifact's files are not to be written beside.
    sys.dont_write_bytecode = True


def forget() -> None:
    """Let the modules of former artifacts be found no more, and what they hid again."""
    for folder in _folders:
        while folder in sys.path:
            sys.path.remove(folder)
        for name in [name for name, module in sys.modules.items() if _is_in(module, folder)]:
            del sys.modules[name]
    _folders.clear()
    sys.modules.update(_hidden)
    _hidden.clear()


def _names(code: Path) -> Iterator[str]:
    """The modules and packages a folder has."""
    with os.scandir(code) as entries:
        for entry in entries:
            name, _, ending = entry.name.partition(".")
            if entry.is_dir() or ending.endswith(("py", "so", "pyc")):
                yield name


def _is_in(module: object, folder: str) -> bool:
    # Not by `getattr`, at which lazy modules import what they stand for.
    said = getattr(module, "__dict__", {})
    paths = said.get("__path__")
    places = [said.get("__file__"), *(paths if isinstance(paths, list) else ())]
    return any(isinstance(place, str) and place.startswith(f"{folder}/") for place in places)
