"""Which models one worker keeps in memory: as many as may be, the least recently used goes first.

How a model is loaded is the caller's business (`model_handler`); what became of it is noted here
for the answer that is under way, and the worker's loop takes the note.
"""

from __future__ import annotations

import gc
import resource
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from models.serving import LoadedModel

USUAL_MOST = 1000
FILES_PER_MODEL = 3
"""A mapped file keeps a descriptor, and a model maps up to so many."""
OTHER_FILES = 64


@dataclass(slots=True)
class Note:
    """What happened to models since the last answer."""

    load_s: float = 0.0
    is_unloadable: bool = False
    dropped: list[str] = field(default_factory=list)


class Residents:
    """The models of one worker by name. For one thread, as a worker is."""

    def __init__(self, most: int = USUAL_MOST, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self._clock = clock
        self._models: OrderedDict[str, LoadedModel] = OrderedDict()
        self._note: Note | None = None

    def __len__(self) -> int:
        return len(self._models)

    def __contains__(self, name: object) -> bool:
        return name in self._models

    @property
    def names(self) -> list[str]:
        """Of all of them, the least recently used first."""
        return list(self._models)

    def get(self, name: str, load: Callable[[], LoadedModel]) -> LoadedModel:
        """The model called `name`, loaded if it is not there. Raises what `load` raises."""
        model = self._models.get(name)
        if model is None:
            return self._loaded(name, load)
        self._models.move_to_end(name)
        return model

    def drop(self, names: Iterable[str]) -> None:
        """Forget these, if they are there."""
        for name in names:
            self._models.pop(name, None)

    def clear(self) -> None:
        """Forget all, and what was noted."""
        self._models.clear()
        self._note = None

    @property
    def has_failed(self) -> bool:
        """Whether a load has failed since the note was taken."""
        return self._note is not None and self._note.is_unloadable

    def take_note(self) -> Note | None:
        """What happened since this was last asked; None: nothing."""
        note, self._note = self._note, None
        return note

    def _loaded(self, name: str, load: Callable[[], LoadedModel]) -> LoadedModel:
        note = self._note = self._note or Note()
        began_s = self._clock()
        self._shrink(self.most - 1, note)
        try:
            try:
                model = load()
            except MemoryError:
                if not self._models:
                    raise
                model = None
            if model is None:  # outside of `except`: the error holds what was loaded so far
                self._shrink(len(self._models) // 2, note)
                gc.collect()
                model = load()
        except BaseException:
            note.is_unloadable = True
            raise
        self._models[name] = model
        note.load_s += self._clock() - began_s
        return model

    def _shrink(self, count: int, note: Note) -> None:
        while len(self._models) > max(0, count):
            note.dropped.append(self._models.popitem(last=False)[0])


def most_by_files() -> int:
    """How many models this process can keep the files of; first its limit is raised to the most."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    if soft == resource.RLIM_INFINITY:
        return USUAL_MOST * 1000
    return max(1, (soft - OTHER_FILES) // FILES_PER_MODEL)


RESIDENTS = Residents()
"""Those of this process: the handler fills it, the worker's loop bounds it and reads its notes."""
