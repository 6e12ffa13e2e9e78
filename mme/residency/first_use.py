"""Which folder below a platform's a target model means, for those that invoke without loading.

Pure but for looking at folders; what is loaded is up to `folder_models.py`.
"""

from __future__ import annotations

import os
from itertools import islice
from typing import TYPE_CHECKING

from mme.core.names import check_target

if TYPE_CHECKING:
    from pathlib import Path

WITHIN = "model"
"""Where SageMaker puts a model's files below the folder it has for the model."""


def folder_of(models_dir: Path, target: str) -> Path | None:
    """The folder with the artifact of `target`; None: there is none.

    It is `<target>`, or `<target>/model` if nothing else is in there. Raises InvalidRequest for a
    target that is no plain path.
    """
    check_target(target)
    folder = models_dir / target
    try:
        with os.scandir(folder) as entries:
            first = list(islice(entries, 2))
    except (OSError, ValueError):  # no folder, or no name of one
        return None
    is_within = len(first) == 1 and first[0].name == WITHIN and first[0].is_dir()
    return folder / WITHIN if is_within else folder
