"""What of a transform is done already, so that it is not done again: a row for each input.

An output counts as done while it is there as it was written, and its input as it was read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import sqlite3

    from mme.core.database import Database

TABLE = """\
CREATE TABLE IF NOT EXISTS transform_inputs (
    job TEXT NOT NULL, key TEXT NOT NULL, version TEXT NOT NULL, output_version TEXT NOT NULL,
    records INTEGER NOT NULL, PRIMARY KEY (job, key)) WITHOUT ROWID
"""
FORGOTTEN_AT_ONCE = 5000
"""Rows: others wait for the database meanwhile."""


@dataclass(frozen=True, slots=True)
class Done:
    """One input that is done, at this version, and the version of its output."""

    key: str
    version: str
    output_version: str
    records: int


class Ledger(Protocol):
    """What of one transform is done."""

    async def find(self, key: str) -> Done | None:
        """What is known of an input."""

    async def note(self, done: Done) -> None:
        """Keep it; returns when it is on the disk."""


class DatabaseLedger:
    """That of the transform `job` in a database with TABLE."""

    def __init__(self, database: Database, job: str) -> None:
        self._database = database
        self._job = job

    async def find(self, key: str) -> Done | None:
        """See Ledger."""

        def work(connection: sqlite3.Connection) -> Done | None:
            row = connection.execute(
                "SELECT key, version, output_version, records FROM transform_inputs"
                " WHERE job = ? AND key = ?",
                (self._job, key),
            ).fetchone()
            return Done(*row) if row else None

        return await self._database.run(work)

    async def note(self, done: Done) -> None:
        """See Ledger."""
        row = (self._job, done.key, done.version, done.output_version, done.records)
        await self._database.run(
            lambda connection: connection.execute(
                "INSERT OR REPLACE INTO transform_inputs VALUES (?, ?, ?, ?, ?)", row
            )
        )

    async def forget(self) -> None:
        """Keep nothing of this transform any more: it is over."""

        def work(connection: sqlite3.Connection) -> int:
            return connection.execute(
                "DELETE FROM transform_inputs WHERE job = ? AND key IN"
                " (SELECT key FROM transform_inputs WHERE job = ? LIMIT ?)",
                (self._job, self._job, FORGOTTEN_AT_ONCE),
            ).rowcount

        while await self._database.run(work) == FORGOTTEN_AT_ONCE:
            pass
