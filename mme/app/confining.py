"""How far the processes that read artifacts and requests are confined: decided once, at the start.

What is done about it is in `mme.prefork.confinement`, in each process itself. Others' handlers are
left as they are: they may need credentials, a network, files.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mme.core.settings import PROJECT_ROOT
from mme.memory import MemoryReader
from mme.prefork.confinement import VARIABLE, WORKER_USER, Confinement, closed_to_others, describe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mme.core.settings import Settings

log = logging.getLogger(__name__)

USUAL_REQUEST_BYTES = 1 << 30


def confinement_of(
    settings: Settings,
    readable: Sequence[Path],
    *,
    are_files_ours: bool,
    scripts: Path | None = None,
) -> Mapping[str, str]:
    """What the environment of workers and template says of it; nothing: they are not confined.

    Models are in the folders `readable`. Where others have written those, they may be readable for
    nobody but us, so workers stay our user. Code may have temporary folders in `scripts`.
    """
    if settings.is_foreign_handler or not settings.confine_workers:
        log.info("workers may do what this process may")
        return {}
    user = _user(readable) if are_files_ours and os.geteuid() == 0 else None
    limit_bytes = MemoryReader(settings.memory_limit).read().limit
    request_bytes = settings.request_memory or min(USUAL_REQUEST_BYTES, limit_bytes // 2)
    log.info("workers are confined: %s", describe(user))
    confinement = Confinement(
        user=user,
        readable=tuple(str(_existing(folder.resolve())) for folder in readable),
        pool_bytes=request_bytes,
        own_bytes=settings.admission_memory + request_bytes,
        temp_root="" if scripts is None else str(scripts),
        temp_bytes=settings.script_temp_bytes,
    )
    return {VARIABLE: confinement.to_text()}


def _existing(folder: Path) -> Path:
    """The folder, made if it is not there: a rule needs something to be about.

    Where it cannot be made it will appear in the one it is to be in, which is told.
    """
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    found = next(each for each in (folder, *folder.parents) if each.exists())
    if found != folder:
        log.warning("there is no %s yet: workers may read all of %s", folder, found)
    return found


def _user(readable: Sequence[Path]) -> int | None:
    """The user workers become; None where that one could not read what it needs."""
    for place in (Path(sys.base_prefix), Path(sys.prefix), PROJECT_ROOT, *readable):
        closed = closed_to_others(place)
        if closed is not None:
            log.info("workers stay user 0, since no other may go through %s", closed)
            return None
    return WORKER_USER
