"""The folder of what must not be lost, opened for one endpoint at a time."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import sqlite3
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mme.core.database import Database, NewerDatabase
from mme.core.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mme.core.settings import Settings

log = logging.getLogger(__name__)

FILE, LOCK = "state.sqlite", "lock"


@contextlib.contextmanager
def state_database(settings: Settings) -> Iterator[Database]:
    """The state at `settings.state_dir`, closed at the end.

    Where the default folder cannot be had, the state is a private one that goes with the endpoint,
    and the log says so. Raises SettingsError for a folder that was named and cannot be used, and
    for one of a later version.
    """
    with contextlib.ExitStack() as stack:
        try:
            database = stack.enter_context(_opened(settings.state_dir))
        except NewerDatabase as error:
            # Never beside it: what was accepted would wait for nobody.
            raise SettingsError(f"MME_STATE_DIR={str(settings.state_dir)!r}: {error}") from error
        except (OSError, sqlite3.Error) as error:
            if "state_dir" in settings.model_fields_set:
                place = f"MME_STATE_DIR={str(settings.state_dir)!r}"
                raise SettingsError(f"{place}: {error}") from error
            private = stack.enter_context(tempfile.TemporaryDirectory(prefix="mme-state-"))
            log.warning(
                "%s cannot be used (%s): endpoints and queued requests are lost when this stops",
                settings.state_dir,
                error,
            )
            database = stack.enter_context(_opened(Path(private)))
        yield database


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[Database]:
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        stack.callback(os.close, lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OSError("another endpoint uses it") from None
        database = Database(folder / FILE)
        stack.callback(database.close)
        yield database
