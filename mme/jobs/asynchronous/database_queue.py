"""The queue in the state's database (`queue.py`); a page of it is in memory, no more.

A request that was accepted is here until its end is, whatever happens meanwhile: what was in
progress when the endpoint ended is queued again when it starts. Which ones are due is asked of the
database by an index, so that a million that wait cost those that run nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Self

from mme.jobs.asynchronous.queue import Depth
from mme.jobs.asynchronous.request import AsyncRequest, Entry, Standing, State
from mme.jobs.asynchronous.turns import shares

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping

    from mme.core.database import Database

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS async_requests (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        endpoint TEXT NOT NULL,
        inference_id TEXT NOT NULL,
        state INTEGER NOT NULL,
        due_at REAL NOT NULL,
        received_at REAL NOT NULL,
        expires_at REAL NOT NULL,
        started_at REAL,
        ended_at REAL,
        attempts INTEGER NOT NULL DEFAULT 0,
        request TEXT NOT NULL,
        body BLOB,
        reason TEXT NOT NULL DEFAULT ''
    )""",
    """CREATE INDEX IF NOT EXISTS async_due
        ON async_requests (endpoint, due_at, number) WHERE state = 0""",
    """CREATE INDEX IF NOT EXISTS async_running ON async_requests (number) WHERE state = 1""",
    """CREATE INDEX IF NOT EXISTS async_ids ON async_requests (endpoint, inference_id)""",
    """CREATE INDEX IF NOT EXISTS async_ended ON async_requests (ended_at) WHERE state > 1""",
)
COLUMNS = "number, request, body, received_at, expires_at, attempts"
MOST_COMPARED = 100
"""Requests with the same inference id, the last ones, that may turn out to be the same call."""
MOST_FORGOTTEN = 500
"""Ended requests that are forgotten in one go."""


class DatabaseQueue:
    """See Queue. No other endpoint takes requests from it."""

    def __init__(self, database: Database, waiting: Mapping[str, int]) -> None:
        self._database = database
        self.waiting: Counter[str] = Counter(waiting)
        """Queued requests by endpoint, those to be tried again included."""
        self._turn = 0

    @classmethod
    async def open(cls, database: Database) -> Self:
        """The queue in a database; what was in progress is queued again. Raises sqlite3.Error."""

        def make(db: sqlite3.Connection) -> dict[str, int]:
            for statement in SCHEMA:
                db.execute(statement)
            db.execute(
                "UPDATE async_requests SET state = ? WHERE state = ?",
                (State.QUEUED, State.IN_PROGRESS),
            )
            return dict(
                db.execute(
                    "SELECT endpoint, count(*) FROM async_requests WHERE state = 0"
                    " GROUP BY endpoint"
                )
            )

        return cls(database, await database.run(make))

    async def add(
        self, request: AsyncRequest, body: bytes | None, received_at: float, expires_at: float
    ) -> None:
        """See Queue; it is on the disk then."""
        kept = json.dumps(request.as_json())
        row = (
            request.endpoint, request.inference_id, State.QUEUED, received_at, received_at,
            expires_at, kept, body,
        )  # fmt: skip

        def put(db: sqlite3.Connection) -> bool:
            if _is_known(db, request):
                return False
            db.execute(
                "INSERT INTO async_requests (endpoint, inference_id, state, due_at, received_at,"
                " expires_at, request, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            return True

        if await self._database.run(put):
            self.waiting[request.endpoint] += 1

    async def claim(self, free: Callable[[str], int], room: int, now: float) -> list[Entry]:
        """See Queue: the first come first, the endpoints in turn. Waits for nothing."""
        wanted = shares(
            {name: min(count, free(name)) for name, count in self.waiting.items() if count > 0},
            room,
            self._turn,
        )
        self._turn += 1
        return await self._taken(wanted, now) if wanted else []

    async def _taken(self, wanted: Mapping[str, int], now: float) -> list[Entry]:
        def take(db: sqlite3.Connection) -> list[Any]:
            rows: list[Any] = []
            for endpoint, count in wanted.items():
                found = db.execute(
                    f"SELECT {COLUMNS} FROM async_requests WHERE state = 0 AND endpoint = ?"  # noqa: S608
                    " AND due_at <= ? ORDER BY due_at, number LIMIT ?",
                    (endpoint, now, count),
                ).fetchall()
                db.executemany(
                    "UPDATE async_requests SET state = 1, attempts = attempts + 1,"
                    " started_at = coalesce(started_at, ?) WHERE number = ?",
                    [(now, row[0]) for row in found],
                )
                rows += found
            return rows

        entries = [_entry(row) for row in await self._database.run(take)]
        for entry in entries:
            self.waiting[entry.request.endpoint] -= 1
        for endpoint in wanted:
            if not self.waiting[endpoint]:
                # Names may come without end where any is answered.
                del self.waiting[endpoint]
        return entries

    async def put_back(self, entry: Entry, due_at: float) -> None:
        """See Queue."""
        await self._database.run(
            lambda db: db.execute(
                "UPDATE async_requests SET state = 0, due_at = ? WHERE number = ?",
                (due_at, entry.number),
            )
        )
        self.waiting[entry.request.endpoint] += 1

    async def end(self, entry: Entry, state: State, now: float, reason: str = "") -> None:
        """See Queue."""
        await self._database.run(
            lambda db: db.execute(
                "UPDATE async_requests SET state = ?, ended_at = ?, reason = ?, body = NULL"
                " WHERE number = ?",
                (state, now, reason, entry.number),
            )
        )

    async def forget(self, before: float) -> int:
        """See Queue."""
        cursor = await self._database.run(
            lambda db: db.execute(
                "DELETE FROM async_requests WHERE number IN (SELECT number FROM async_requests"
                " WHERE state > 1 AND ended_at < ? LIMIT ?)",
                (before, MOST_FORGOTTEN),
            )
        )
        return cursor.rowcount

    async def standing(self, endpoint: str, inference_id: str) -> Standing | None:
        """See Queue."""
        row = await self._database.run(
            lambda db: db.execute(
                "SELECT request, state, received_at, expires_at, started_at, ended_at, attempts,"
                " reason FROM async_requests WHERE endpoint = ? AND inference_id = ?"
                " ORDER BY number DESC LIMIT 1",
                (endpoint, inference_id),
            ).fetchone()
        )
        if row is None:
            return None
        return Standing(AsyncRequest.from_json(json.loads(row[0])), State(row[1]), *row[2:])

    async def oldest(self, endpoint: str) -> float | None:
        """See Queue: of the queued request that is due first."""
        row = await self._database.run(
            lambda db: db.execute(
                "SELECT received_at FROM async_requests WHERE state = 0 AND endpoint = ?"
                " ORDER BY due_at, number LIMIT 1",
                (endpoint,),
            ).fetchone()
        )
        return None if row is None else row[0]

    async def depth(self, endpoint: str) -> Depth:
        """See Queue."""
        return Depth(self.waiting[endpoint])

    def waiting_in_all(self) -> int:
        """See Queue."""
        return self.waiting.total()

    async def stop(self) -> None:
        """See Queue. Claims wait for nothing that could be left over."""

    async def close(self) -> None:
        """See Queue: what is in progress is queued when the queue is opened again."""


def _is_known(db: sqlite3.Connection, request: AsyncRequest) -> bool:
    if not request.mark:
        return False
    found = db.execute(
        "SELECT request FROM async_requests WHERE endpoint = ? AND inference_id = ?"
        " ORDER BY number DESC LIMIT ?",
        (request.endpoint, request.inference_id, MOST_COMPARED),
    )
    return any(json.loads(row[0]).get("mark") == request.mark for row in found)


def _entry(row: tuple[Any, ...]) -> Entry:
    number, request, body, received_at, expires_at, attempts = row
    return Entry(
        number,
        AsyncRequest.from_json(json.loads(request)),
        body,
        received_at,
        expires_at,
        attempts + 1,
    )
