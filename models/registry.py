"""Which families there are, and which of them an artifact belongs to.

A family's code is imported when an artifact asks for it: a worker pays for its own family only.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, cast

from models.errors import ArtifactError, NoRoom, shorten

if TYPE_CHECKING:
    from models.serving import Family, LoadedModel

FAMILIES = {
    "TopicalPageRank": "models.TopicalPageRank.family",
    "DocSim": "models.DocSim.family",
    "Search": "models.Search.family",
}
"""Name of a family -> the module whose `FAMILY` it is."""

LISTED_FILES = 10


def family(name: str) -> Family:
    """The family called `name`; KeyError names those that exist."""
    if name not in FAMILIES:
        raise KeyError(f"{name!r} is no model family; there are {', '.join(FAMILIES)}")
    return cast("Family", importlib.import_module(FAMILIES[name]).FAMILY)


def find_family(model_dir: Path) -> Family:
    """The one family that accepts the artifact in `model_dir`; ArtifactError if not exactly one."""
    named = [name for name in FAMILIES if (model_dir / f"{name}-params.json").is_file()]
    found = [candidate for name in named if (candidate := family(name)).accepts(model_dir)]
    if len(found) == 1:
        return found[0]
    if found:
        names = " and ".join(candidate.name for candidate in found)
        raise ArtifactError(model_dir, f"holds parameters of {names}; one model has one family")
    wanted = " or ".join(f"{name}-params.json" for name in FAMILIES)
    raise ArtifactError(model_dir, f"no model: wanted {wanted}, found {_listing(model_dir)}")


def load_model(model_dir: Path, scratch: Path | None = None) -> LoadedModel:
    """Load the artifact in `model_dir`, whatever its family is; `scratch` as in `Family.load`.

    Raises ArtifactError, and NoRoom where memory runs out.
    """
    model_dir = Path(model_dir)
    try:
        return find_family(model_dir).load(model_dir, scratch)
    except NoRoom:
        raise
    except MemoryError as error:
        raise NoRoom("There is not enough memory to load this model") from error


def _listing(model_dir: Path) -> str:
    try:
        names = sorted(entry.name for entry in model_dir.iterdir())
    except OSError as error:
        return f"no readable folder ({error.strerror})"
    shown = ", ".join(shorten(name, 60) for name in names[:LISTED_FILES]) or "nothing"
    return shown if len(names) <= LISTED_FILES else f"{shown} and {len(names) - LISTED_FILES} more"
