"""What has been created, kept in memory for questions and in the database for the next start.

A record is whatever was asked for, as JSON, with its ARN and times. What a record means is up to
those who keep it here.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from mme.core.database import Database

TABLE = """
CREATE TABLE IF NOT EXISTS created (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    arn TEXT NOT NULL,
    created_at REAL NOT NULL,
    modified_at REAL NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID
"""
DELETE = "DELETE FROM created WHERE kind = ? AND name = ?"


@dataclass(frozen=True, slots=True)
class Record:
    """One thing that was created; times in seconds since the epoch."""

    kind: str
    name: str
    arn: str
    created_at: float
    modified_at: float
    content: dict[str, Any] = field(default_factory=dict)
    """JSON; not to be changed."""


class Records:
    """All of them. The event loop owns it; whoever decides by what is here holds `lock`."""

    def __init__(self, database: Database, records: Iterable[Record] = ()) -> None:
        """`open` also reads what the database has."""
        self._database = database
        self._by_kind: dict[str, dict[str, Record]] = {}
        self._sizes: dict[tuple[str, str], int] = {}
        self.size_chars = 0
        """Of all content together, as JSON."""
        self.lock = asyncio.Lock()
        for record in records:
            self._keep(record, len(_text(record.content)))

    @classmethod
    async def open(cls, database: Database) -> Self:
        """The records in `database`. Raises sqlite3.Error."""
        return cls(database, await database.run(_read))

    def get(self, kind: str, name: str) -> Record | None:
        """The record of that name."""
        return self._of(kind).get(name)

    def all(self, kind: str) -> list[Record]:
        """All of a kind, in the order of their making."""
        return list(self._of(kind).values())

    async def put(self, *records: Record, without: Iterable[tuple[str, str]] = ()) -> None:
        """Keep records, in place of those of the same names; returns when they are on the disk.

        What is `without`, by kind and name, is forgotten with the same stroke.
        """
        gone = list(without)
        rows = [
            (each.kind, each.name, each.arn, each.created_at, each.modified_at, _text(each.content))
            for each in records
        ]

        def write(database: sqlite3.Connection) -> None:
            database.executemany(DELETE, gone)
            database.executemany("INSERT OR REPLACE INTO created VALUES (?, ?, ?, ?, ?, ?)", rows)

        await self._database.run(write)
        for kind, name in gone:
            self._forget(kind, name)
        for record, row in zip(records, rows, strict=True):
            self._keep(record, len(row[-1]))

    async def remove(self, *keys: tuple[str, str]) -> None:
        """Forget records by kind and name; returns when that is on the disk."""
        await self.put(without=keys)

    def _keep(self, record: Record, size_chars: int) -> None:
        key = record.kind, record.name
        self.size_chars += size_chars - self._sizes.get(key, 0)
        self._sizes[key] = size_chars
        self._of(record.kind)[record.name] = record

    def _forget(self, kind: str, name: str) -> None:
        self._of(kind).pop(name, None)
        self.size_chars -= self._sizes.pop((kind, name), 0)

    def _of(self, kind: str) -> dict[str, Record]:
        return self._by_kind.setdefault(kind, {})


def _read(database: sqlite3.Connection) -> list[Record]:
    database.execute(TABLE)
    rows = database.execute(
        "SELECT kind, name, arn, created_at, modified_at, content FROM created"
        " ORDER BY created_at, name"
    )
    return [
        Record(kind, name, arn, created_at, modified_at, json.loads(content))
        for kind, name, arn, created_at, modified_at, content in rows
    ]


def _text(content: dict[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False)
