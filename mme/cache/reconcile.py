"""Making index and folders agree, in the background: the folders are right.

An endpoint that was killed may have left folders that the index does not know, or rows without a
folder; a new index knows none. What is no artifact goes: broken ones of ours are removed, anything
else is set aside. Works in small steps between requests, and takes memory for one step only.
"""

from __future__ import annotations

import itertools
import logging
import os
from functools import partial
from typing import TYPE_CHECKING

from mme.cache.entry import read_entry
from mme.cache.folders import NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mme.cache.entry import Entry
    from mme.cache.folders import Folders
    from mme.cache.index import Index
    from mme.cache.threads import Run

STEP = 100

log = logging.getLogger(__name__)


async def reconcile(
    folders: Folders, index: Index, run: Run, is_arriving: Callable[[str], bool]
) -> None:
    """Go through all folders, then through all rows. `is_arriving`: is not to be touched."""
    names = _names(folders)
    while step := await run(lambda: list(itertools.islice(names, STEP))):
        ours = [name for name in step if NAME.fullmatch(name)]
        doubtful = [name for name in step if not NAME.fullmatch(name)]
        unknown = index.unknown(ours)
        entries = await run(partial(_read, folders, unknown))
        # Some may have been removed meanwhile.
        index.put([each for each in entries if each.artifact.model_dir.is_dir()])
        known = {each.artifact.name for each in entries}
        doubtful += [name for name in unknown if name not in known and not is_arriving(name)]
        await run(partial(_clear_away, folders, doubtful))
    last = ""
    while rows := index.names_after(last, STEP):
        last = rows[-1]
        index.remove(await run(partial(_missing, folders, rows)))
    index.is_incomplete = False


def _names(folders: Folders) -> Iterator[str]:
    with os.scandir(folders.artifacts) as entries:
        for entry in entries:
            yield entry.name


def _read(folders: Folders, names: list[str]) -> list[Entry]:
    entries = (read_entry(folders.artifacts / name) for name in names)
    return [entry for entry in entries if entry is not None]


def _clear_away(folders: Folders, names: list[str]) -> None:
    for name in names:
        # Another look: it may have been fetched meanwhile.
        if read_entry(folders.artifacts / name) is None:
            try:
                folders.clear_away(folders.artifacts / name)
            except OSError as error:
                log.warning("%r stays where it is in the cache: %s", name, error)


def _missing(folders: Folders, names: list[str]) -> list[str]:
    return [name for name in names if not (folders.artifacts / name).is_dir()]
