"""Which families there are, and which of them an artifact belongs to.

A family's code is imported when the first artifact of it is loaded, so that a process without the
others' models does not pay for their code.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, cast

from models.errors import ArtifactError, NoRoom, is_short_of_room, shorten

if TYPE_CHECKING:
    from models.serving import Family, LoadedModel

FAMILIES = {
    "TopicalPageRank": "models.TopicalPageRank.family",
    "DocSim": "models.DocSim.family",
    "Search": "models.Search.family",
}
"""Name of a family -> the module whose `FAMILY` it is."""

BY_FILE = {
    "Embedding-params.json": "Embedding",
    "ensemble.json": "Ensemble",
    "config.pbtxt": "Triton",
}
"""A file at an artifact's root -> its family, of those that are not trained."""
BY_CODE = {"code/inference.py": "Script"}
"""The same where nothing else tells: code that lies beside data is not looked at."""
BY_FOLDERS = {"config.pbtxt": "Triton"}
"""The same of a file that folders of the root have, where neither tells."""
OTHERS = {
    "Embedding": "models.Embedding.family",
    "Ensemble": "models.Ensemble.family",
    "Script": "models.Script.family",
    "Triton": "models.Triton.family",
}
"""As FAMILIES: those that are not trained."""
OF_DATA = (*FAMILIES, "Ensemble")
"""Those that every installation can load; what Embedding needs is an extra, which `warm_up` uses
where it is."""
OF_CODE = ("Script",)
"""Those whose artifacts are code; Triton's may be, and needs an extra."""
LISTED_FILES = 10


def family(name: str) -> Family:
    """The family called `name`; KeyError names those that exist."""
    module = FAMILIES.get(name) or OTHERS.get(name)
    if module is None:
        raise KeyError(f"{name!r} is no model family; there are {', '.join((*FAMILIES, *OTHERS))}")
    return cast("Family", importlib.import_module(module).FAMILY)


def find_family(model_dir: Path) -> Family:
    """The family whose parameters or other file the artifact in `model_dir` holds.

    Raises ArtifactError if it holds those of none, or of more than one.
    """
    found = [name for name in FAMILIES if (model_dir / f"{name}-params.json").is_file()]
    found += [name for file, name in BY_FILE.items() if (model_dir / file).is_file()]
    found = found or [name for file, name in BY_CODE.items() if (model_dir / file).is_file()]
    found = found or [name for file, name in BY_FOLDERS.items() if any(model_dir.glob(f"*/{file}"))]
    if len(found) == 1:
        return family(found[0])
    if found:
        names = " and ".join(found)
        raise ArtifactError(model_dir, f"holds parameters of {names}; one model has one family")
    wanted = " or ".join(
        [*(f"{name}-params.json" for name in FAMILIES), *BY_FILE, *BY_CODE, "*/config.pbtxt"]
    )
    raise ArtifactError(model_dir, f"no model: wanted {wanted}, found {_listing(model_dir)}")


def load_model(model_dir: Path, scratch: Path | None = None) -> LoadedModel:
    """Load the artifact in `model_dir`, whatever its family is; `scratch` as in `Family.load`.

    Raises ArtifactError; NoRoom where memory or file descriptors run out; NotConverted where this
    process may only map and there is nothing to map yet (`models.mapped.folder.only_map`).
    """
    model_dir = Path(model_dir)
    try:
        return find_family(model_dir).load(model_dir, scratch)
    except NoRoom:
        raise
    except MemoryError as error:
        raise NoRoom("There is not enough memory to load this model") from error
    except (OSError, ArtifactError) as error:
        # Nothing is wrong with the artifact then, and dropping other models helps.
        if is_short_of_room(error.__cause__ if isinstance(error, ArtifactError) else error):
            raise NoRoom("There is no room in this process for one model more") from error
        raise


def _listing(model_dir: Path) -> str:
    try:
        names = sorted(entry.name for entry in model_dir.iterdir())
    except OSError as error:
        return f"no readable folder ({error.strerror})"
    shown = ", ".join(shorten(name, 60) for name in names[:LISTED_FILES]) or "nothing"
    return shown if len(names) <= LISTED_FILES else f"{shown} and {len(names) - LISTED_FILES} more"
