"""An index over the artifacts on this disk: which are there, by name, target and last use.

It is only an index: `entry.json` in each folder is the truth. So it is written without waiting for
the disk; a damaged one is deleted and begun anew (`is_incomplete` says so until it has been filled
again), and a write that fails is logged. Every question costs what its answer has, not what the
cache holds. Used by one thread.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
from typing import TYPE_CHECKING, Any

from mme.cache.entry import Entry, from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from mme.core.artifact import Admitted

VERSION = 1
"""As at the end of SCHEMA."""
SCHEMA = """
BEGIN;
CREATE TABLE artifacts (
    name TEXT PRIMARY KEY,
    target TEXT NOT NULL,
    admitted_at REAL NOT NULL,
    wanted_at REAL NOT NULL,
    disk_bytes INTEGER NOT NULL,
    is_superseded INTEGER NOT NULL DEFAULT 0,
    entry TEXT NOT NULL
);
CREATE INDEX by_target ON artifacts (target, admitted_at);
CREATE INDEX by_use ON artifacts (is_superseded DESC, wanted_at, name);
CREATE TABLE totals (artifacts INTEGER NOT NULL, disk_bytes INTEGER NOT NULL);
INSERT INTO totals VALUES (0, 0);
CREATE TRIGGER added AFTER INSERT ON artifacts BEGIN
    UPDATE totals SET artifacts = artifacts + 1, disk_bytes = disk_bytes + NEW.disk_bytes;
END;
CREATE TRIGGER removed AFTER DELETE ON artifacts BEGIN
    UPDATE totals SET artifacts = artifacts - 1, disk_bytes = disk_bytes - OLD.disk_bytes;
END;
PRAGMA user_version = 1;
COMMIT;
"""
FORGET = "DELETE FROM artifacts WHERE name = ?"
ADD = """
INSERT INTO artifacts (name, target, admitted_at, wanted_at, disk_bytes, entry)
VALUES (?, ?, ?, ?, ?, ?)
"""
SUPERSEDE = """
UPDATE artifacts SET is_superseded =
    (admitted_at < (SELECT MAX(admitted_at) FROM artifacts WHERE target = ?1))
WHERE target = ?1
"""
LAST_LETTER = "\U0010ffff"
TOUCH = "UPDATE artifacts SET wanted_at = ? WHERE name = ?"
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
PRIMARY_CODE = 0xFF
FILE_ENDINGS = ("", "-wal", "-shm", "-journal")

log = logging.getLogger(__name__)


class Index:
    """The index in the file `path`; `artifacts` is the folder whose folders it is about."""

    def __init__(self, path: Path, artifacts: Path) -> None:
        self._path = path
        self._artifacts = artifacts
        self.is_incomplete = False
        """Begun anew, and not filled yet."""
        try:
            self._connection = self._opened(path)
        except sqlite3.DatabaseError as error:
            self._connection = self._anew(str(error))

    def close(self) -> None:
        """Write what is left; idempotent."""
        self._connection.close()

    def get(self, name: str) -> Entry | None:
        """The record of that name."""
        found = self._all(self._select("SELECT name, entry FROM artifacts WHERE name = ?", name))
        return found[0] if found else None

    def page(self, after: str, limit: int, prefix: str = "") -> list[Admitted]:
        """The latest version of each of the `limit` targets that follow `after`, in order.

        Of those that begin with `prefix`.
        """
        query = (
            "SELECT name, entry, MAX(admitted_at) FROM artifacts"
            " WHERE target > ? AND target >= ? AND target < ?"
            " GROUP BY target ORDER BY target LIMIT ?"
        )
        rows = self._select(query, after, prefix, prefix + LAST_LETTER, limit)
        return [entry.artifact for entry in self._all(rows)]

    def names_of(self, target: str) -> list[str]:
        """The names of all versions of `target`, the one that was admitted last first."""
        query = "SELECT name FROM artifacts WHERE target = ? ORDER BY admitted_at DESC"
        return self._names(query, target)

    def superseded(self, limit: int) -> list[str]:
        """Artifacts of which there is a later version."""
        return self._names("SELECT name FROM artifacts WHERE is_superseded = 1 LIMIT ?", limit)

    def least_wanted(self, limit: int, offset: int) -> list[tuple[str, int]]:
        """Names and sizes on disk: superseded ones, then those wanted longest ago."""
        query = (
            "SELECT name, disk_bytes FROM artifacts"
            " ORDER BY is_superseded DESC, wanted_at, name LIMIT ? OFFSET ?"
        )
        return [(str(name), int(size)) for name, size in self._select(query, limit, offset)]

    def names_after(self, name: str, limit: int) -> list[str]:
        """The next names in order, for going through all of them."""
        query = "SELECT name FROM artifacts WHERE name > ? ORDER BY name LIMIT ?"
        return self._names(query, name, limit)

    def totals(self) -> tuple[int, int]:
        """How many artifacts there are, and what they take on disk."""
        rows = self._select("SELECT artifacts, disk_bytes FROM totals")
        return (int(rows[0][0]), int(rows[0][1])) if rows else (0, 0)

    def unknown(self, names: Sequence[str]) -> list[str]:
        """Those of the names that are not there."""
        query = "SELECT value FROM json_each(?) WHERE value NOT IN (SELECT name FROM artifacts)"
        return self._names(query, json.dumps(names))

    def put(self, entries: Sequence[Entry], wanted_at: float | None = None) -> None:
        """Add artifacts, or replace what is known of them; wanted last when they were admitted."""
        rows = []
        for entry in entries:
            artifact = entry.artifact
            wanted = artifact.admitted_at if wanted_at is None else wanted_at
            row = (artifact.name, artifact.target, artifact.admitted_at, wanted, entry.disk_bytes)
            rows.append((*row, to_json(entry)))
        self._write(
            # Not REPLACE, which would not count what it removes.
            (FORGET, [(entry.artifact.name,) for entry in entries]),
            (ADD, rows),
            (SUPERSEDE, [(entry.artifact.target,) for entry in entries]),
        )

    def remove(self, names: Iterable[str]) -> None:
        """Forget artifacts."""
        self._write((FORGET, [(name,) for name in names]))

    def touch(self, wanted_at: Mapping[str, float]) -> None:
        """Note when artifacts were wanted last."""
        self._write((TOUCH, [(at, name) for name, at in wanted_at.items()]))

    def _opened(self, path: Path | str) -> sqlite3.Connection:
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            self.is_incomplete |= _prepared(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _anew(self, reason: str) -> sqlite3.Connection:
        log.warning("the index %s is damaged (%s): it is made anew", self._path, reason)
        for ending in FILE_ENDINGS:
            with contextlib.suppress(FileNotFoundError):
                self._path.with_name(self._path.name + ending).unlink()
        try:
            return self._opened(self._path)
        except sqlite3.DatabaseError as error:
            log.warning("there can be no index in %s (%s): it is in memory", self._path, error)
            return self._opened(":memory:")

    def _select(self, query: str, *values: object) -> Sequence[tuple[Any, ...]]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.DatabaseError as error:
            self._failed(error)
        return []

    def _write(self, *statements: tuple[str, Sequence[tuple[object, ...]]]) -> None:
        if not any(rows for _, rows in statements):
            return
        try:
            with self._connection:
                self._connection.execute("BEGIN")
                for statement, rows in statements:
                    self._connection.executemany(statement, rows)
        except sqlite3.DatabaseError as error:
            self._failed(error)

    def _failed(self, error: sqlite3.DatabaseError) -> None:
        if getattr(error, "sqlite_errorcode", 0) & PRIMARY_CODE in DAMAGED:
            self._connection.close()
            self._connection = self._anew(str(error))
        else:
            log.warning("the index %s did not do what it was asked: %s", self._path, error)

    def _names(self, query: str, *values: object) -> list[str]:
        return [str(row[0]) for row in self._select(query, *values)]

    def _all(self, rows: Sequence[tuple[Any, ...]]) -> list[Entry]:
        found = []
        for name, text, *_ in rows:
            with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError):
                found.append(from_json(text, self._artifacts / name))
        return found


def _prepared(connection: sqlite3.Connection) -> bool:
    """Make the tables where there are none, and say so; DatabaseError if there are others."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = OFF")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == VERSION:
        connection.execute("SELECT name FROM artifacts LIMIT 1").fetchone()
        return False
    if version != 0 or connection.execute("SELECT * FROM sqlite_master").fetchone():
        raise sqlite3.DatabaseError(f"it has the unknown version {version}")
    connection.executescript(SCHEMA)
    return True
