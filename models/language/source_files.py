"""Values from one file of an installed library, without importing the rest of the library.

Importing spaCy or gensim costs a process seconds and tens of megabytes; some of their files are
plain tables and algorithms that need neither.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any


class NoSuchFileError(LookupError):
    """The library has no file of that name."""


@cache
def library_folder(package: str) -> Path:
    """Where a top-level package is installed; it is not imported."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise NoSuchFileError(f"{package} is not installed")
    return Path(spec.submodule_search_locations[0]).resolve()


def run_library_file(package: str, relative: str) -> dict[str, Any]:
    """The names one file of `package` defines. `relative` is code of ours, never an artifact's."""
    path = library_folder(package) / relative
    spec = importlib.util.spec_from_file_location(f"_{package}_file", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise NoSuchFileError(f"{package} has no {relative}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return vars(module)
