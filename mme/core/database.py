"""Durable state in one SQLite file: what is asked for together is committed together.

One thread does all of it, so nobody waits for a lock; while a commit is being written to the disk,
what comes meanwhile gathers for the next one. A result is given when it is on the disk. Which
tables there are is up to those who use it; that a later version has changed them is told here.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from mme.core.errors import StateUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Result = TypeVar("Result")
MOST_TOGETHER = 500
"""Works in one transaction."""
SCHEMA = 1
"""Of all tables together, kept in the file. It goes up with a change of them that versions before
would misread, and so does `_prepare`, which then brings older files up; 0, which files of before
there was a number have, are the tables of 1."""


class NewerDatabase(Exception):
    """A later version has written the file: this one would misread it, and leaves it alone."""

    def __init__(self, path: Path, schema: int) -> None:
        super().__init__(
            f"{path} was written by a later version of mme (its tables have the number {schema},"
            f" this version knows {SCHEMA}): run that version, or use another folder"
        )


@dataclass(frozen=True, slots=True)
class _Work:
    do: Callable[[sqlite3.Connection], Any]
    done: asyncio.Future[Any]


class Database:
    """An open file; `run` may be called on the event loop that made it, until `close`."""

    def __init__(self, path: Path) -> None:
        """Open or make the file at `path`. Raises sqlite3.Error, NewerDatabase."""
        self._loop = asyncio.get_running_loop()
        self._works: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            _prepare(self._connection, path)
        except (sqlite3.Error, NewerDatabase):
            self._connection.close()
            raise
        self._thread = threading.Thread(target=self._serve, name="database", daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Do `work` within a transaction; returns when that is on the disk.

        What it raises undoes its own changes only. It runs in the database's thread, takes
        milliseconds, and neither begins nor ends transactions. Raises StateUnavailable if the
        database fails: then nothing of it has been done.
        """
        done: asyncio.Future[Result] = self._loop.create_future()
        self._works.put(_Work(work, done))
        return await done

    def close(self) -> None:
        """Do what has been asked for and close the file."""
        self._works.put(None)
        self._thread.join()
        self._connection.close()

    def _serve(self) -> None:
        is_open = True
        while is_open:
            works = [self._works.get()]
            with contextlib.suppress(queue.Empty):
                while len(works) < MOST_TOGETHER:
                    works.append(self._works.get_nowait())
            wanted = [work for work in works if work is not None]
            is_open = len(wanted) == len(works)
            self._do_together(wanted)

    def _do_together(self, works: list[_Work]) -> None:
        outcomes: list[tuple[_Work, Any, Exception | None]]
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            outcomes = [(work, *self._outcome(work)) for work in works]
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:  # the disk is full, say: nothing of it has been done
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            outcomes = [(work, None, _fault(error)) for work in works]
        with contextlib.suppress(RuntimeError):  # the event loop has ended
            self._loop.call_soon_threadsafe(_settle, outcomes)

    def _outcome(self, work: _Work) -> tuple[Any, Exception | None]:
        self._connection.execute("SAVEPOINT work")
        try:
            result = work.do(self._connection)
        except Exception as error:  # noqa: BLE001 - it is the asker's
            self._connection.execute("ROLLBACK TO work")
            self._connection.execute("RELEASE work")
            return None, _fault(error)
        self._connection.execute("RELEASE work")
        return result, None


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    (schema,) = connection.execute("PRAGMA user_version").fetchone()
    if schema > SCHEMA:
        raise NewerDatabase(path, schema)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute(f"PRAGMA user_version={SCHEMA}")


def _fault(error: Exception) -> Exception:
    """What the asker is told; that its own statement breaks a rule, as it is."""
    is_of_database = type(error) in (sqlite3.OperationalError, sqlite3.DatabaseError)
    return StateUnavailable(str(error)) if is_of_database else error


def _settle(outcomes: list[tuple[_Work, Any, Exception | None]]) -> None:
    for work, result, error in outcomes:
        if work.done.cancelled():
            continue
        if error is not None:
            work.done.set_exception(error)
        else:
            work.done.set_result(result)
