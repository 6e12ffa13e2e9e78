"""Which artifact each alias means, without any I/O; `alias_follower.py` is the shell.

What a file says (`wanted`) and what an alias means differ while a new version comes in, and for as
long as it is refused.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mme.store.alias_file import artifact_of, split
from mme.store.alias_shelf import NO_ALIASES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mme.store.alias_shelf import Aliases

MOST_FOLDERS = 1000
"""So many without aliases are remembered, since anybody may ask for any name."""
NEVER = float("-inf")


@dataclass(eq=False, slots=True)
class Alias:
    """One alias that was asked for."""

    name: str
    """As clients write it, folder and all."""
    folder: Folder
    target: str
    """The artifact it means."""
    wanted: str
    """The artifact it should mean."""


@dataclass(eq=False, slots=True)
class Folder:
    """One folder of keys that may have aliases."""

    name: str
    """"" or ending in a slash."""
    aliases: Aliases = NO_ALIASES
    checked_at_s: float = NEVER
    asked_at_s: float = NEVER
    """Monotonic: when an alias in it was asked for, about."""
    was_asked: bool = False
    """Since `asked_at_s` was last set."""
    known: dict[str, Alias] = field(default_factory=dict)
    """Those that were asked for."""
    here: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Name -> an id that it has on this endpoint, for as long as the file has that other id, or
    none ("")."""
    is_kept: bool = False
    """Looked at whether it was asked for or not."""


class AliasTable:
    """What aliases mean. Not safe for threads: the event loop owns it."""

    def __init__(self, most_folders: int = MOST_FOLDERS) -> None:
        self._most_folders = most_folders
        self._known: dict[str, Alias] = {}
        self._meaning: dict[str, set[str]] = {}
        """Artifact -> aliases that mean it."""
        self._folders: OrderedDict[str, Folder] = OrderedDict()

    def meaning(self, target: str) -> str | None:
        """The artifact an alias means, if it was asked for before."""
        alias = self._known.get(target)
        if alias is None:
            return None
        alias.folder.was_asked = True
        return alias.target

    def get(self, name: str) -> Alias | None:
        """One alias that was asked for."""
        return self._known.get(name)

    def is_known(self, alias: Alias) -> bool:
        """Whether it is an alias still."""
        return self._known.get(alias.name) is alias

    def page(self, after: str, limit: int) -> tuple[list[Alias], bool]:
        """At most `limit` aliases above `after`, in order; whether there are more."""
        names = sorted(name for name in self._known if name > after)
        return [self._known[name] for name in names[:limit]], len(names) > limit

    def names_of(self, target: str) -> list[str]:
        """The aliases that mean an artifact."""
        return sorted(self._meaning.get(target, ()))

    def folder_of(self, target: str) -> Folder:
        """The folder of a target, remembered from now on."""
        name, _ = split(target)
        folder = self._folders.get(name)
        if folder is None:
            self._forget_one()
            folder = self._folders[name] = Folder(name)
        self._folders.move_to_end(name)
        return folder

    def folders(self, now_s: float, idle_s: float) -> Iterator[Folder]:
        """Those with an alias that was asked for within `idle_s`."""
        for folder in list(self._folders.values()):
            if folder.was_asked:
                folder.asked_at_s, folder.was_asked = now_s, False
            if folder.is_kept or (folder.known and now_s - folder.asked_at_s <= idle_s):
                yield folder

    def learn(self, target: str) -> Alias | None:
        """An alias that is asked for the first time means what it should; None: it is none."""
        folder = self.folder_of(target)
        _, name = split(target)
        version_id = self._id_of(folder, name)
        if version_id is None:
            return None
        wanted = artifact_of(target, version_id)
        alias = Alias(target, folder, wanted, wanted)
        folder.known[name] = self._known[target] = alias
        self._meaning.setdefault(wanted, set()).add(target)
        folder.was_asked = True
        return alias

    def read(self, folder: Folder, aliases: Aliases) -> list[Alias]:
        """A file was read. Returns the aliases that should mean something else than they do.

        A file that is gone or cannot be used leaves all as it was: an alias ends when a file that
        is there does not name it any more.
        """
        was_read = aliases.error is None and aliases.version is not None
        if not was_read:
            aliases = replace(aliases, ids=folder.aliases.ids)
        folder.aliases = aliases
        for name, alias in list(folder.known.items()):
            version_id = self._id_of(folder, name)
            if version_id is None:
                del folder.known[name]
                del self._known[alias.name]
                self._no_more(alias)
            else:
                alias.wanted = artifact_of(alias.name, version_id)
        return [alias for alias in folder.known.values() if alias.wanted != alias.target]

    def ids_of(self, folder: Folder) -> dict[str, str]:
        """All names of a folder that have an id, with it."""
        names = {*folder.aliases.ids, *folder.here}
        found = {name: self._id_of(folder, name) for name in names}
        return {name: version_id for name, version_id in found.items() if version_id is not None}

    def deploy_here(self, folder: Folder, name: str, version_id: str) -> None:
        """A name has an id on this endpoint, until the file says something else than it does."""
        folder.here[name] = (folder.aliases.ids.get(name, ""), version_id)

    def _id_of(self, folder: Folder, name: str) -> str | None:
        said = folder.aliases.ids.get(name)
        when_said, here = folder.here.get(name, (None, None))
        if here is not None and when_said == (said or ""):
            return here
        return said

    def switch(self, alias: Alias, target: str) -> bool:
        """An alias means `target` from now on, if it still should."""
        if not self.is_known(alias) or alias.wanted != target:
            return False
        self._no_more(alias)
        alias.target = target
        self._meaning.setdefault(target, set()).add(alias.name)
        return True

    def _no_more(self, alias: Alias) -> None:
        """An alias ceases to mean what it means."""
        names = self._meaning[alias.target]
        names.discard(alias.name)
        if not names:
            del self._meaning[alias.target]

    def _forget_one(self) -> None:
        if len(self._folders) < self._most_folders:
            return
        for name, folder in self._folders.items():
            if not (folder.known or folder.here or folder.is_kept):
                del self._folders[name]
                return
