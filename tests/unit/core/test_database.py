import asyncio
import sqlite3
from contextlib import closing

import pytest

from mme.core.database import SCHEMA, Database, NewerDatabase
from mme.core.errors import StateUnavailable


@pytest.fixture
async def database(tmp_path):
    opened = Database(tmp_path / "state.sqlite")
    await opened.run(lambda db: db.execute("CREATE TABLE words (word TEXT PRIMARY KEY)"))
    yield opened
    opened.close()


def put(word):
    return lambda db: db.execute("INSERT INTO words VALUES (?)", (word,))


def words(db):
    return [row[0] for row in db.execute("SELECT word FROM words ORDER BY word")]


async def test_what_was_committed_is_there_for_the_next_process(database, tmp_path):
    await database.run(put("a"))
    other = sqlite3.connect(tmp_path / "state.sqlite")
    assert words(other) == ["a"]
    other.close()


async def test_a_work_that_fails_undoes_only_its_own(database):
    def half(db):
        put("lost")(db)
        raise KeyError("no")

    outcomes = await asyncio.gather(
        database.run(put("a")), database.run(half), database.run(put("b")), return_exceptions=True
    )
    assert isinstance(outcomes[1], KeyError)
    assert await database.run(words) == ["a", "b"]


async def test_a_breach_of_the_tables_rules_is_its_askers_error(database):
    await database.run(put("a"))
    with pytest.raises(sqlite3.IntegrityError):
        await database.run(put("a"))
    assert await database.run(words) == ["a"]


@pytest.mark.parametrize("error", [sqlite3.OperationalError, sqlite3.DatabaseError])
async def test_a_fault_of_the_database_says_so_and_nothing_has_been_done(database, error):
    def full(db):
        put("lost")(db)
        raise error("database or disk is full")

    with pytest.raises(StateUnavailable, match=r"MME_STATE_DIR.*disk is full"):
        await database.run(full)
    assert await database.run(words) == []


async def test_whoever_holds_the_file_makes_it_unavailable(database, tmp_path):
    await database.run(lambda db: db.execute("PRAGMA busy_timeout = 0"))
    other = sqlite3.connect(tmp_path / "state.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StateUnavailable, match="locked"):
        await database.run(put("a"))
    other.execute("ROLLBACK")
    other.close()
    await database.run(put("b"))
    assert await database.run(words) == ["b"]


async def test_who_does_not_wait_any_more_harms_nobody(database):
    work = asyncio.ensure_future(database.run(put("a")))
    await asyncio.sleep(0)
    work.cancel()
    await database.run(put("b"))
    assert "b" in await database.run(words)


async def test_closing_does_first_what_was_asked_for(tmp_path):
    database = Database(tmp_path / "state.sqlite")
    made = asyncio.ensure_future(database.run(lambda db: db.execute("CREATE TABLE t (x)")))
    await asyncio.sleep(0)
    database.close()
    await made
    again = Database(tmp_path / "state.sqlite")
    assert await again.run(lambda db: db.execute("SELECT count(*) FROM t").fetchone()) == (0,)
    again.close()


async def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "state.sqlite").write_bytes(b"something else" * 1000)
    with pytest.raises(sqlite3.DatabaseError):
        Database(tmp_path / "state.sqlite")


async def test_a_file_says_which_tables_it_has_and_one_of_before_that_is_taken_as_it_is(tmp_path):
    path = tmp_path / "state.sqlite"
    with closing(sqlite3.connect(path)) as earlier, earlier:
        earlier.execute("CREATE TABLE words (word TEXT PRIMARY KEY)")
        put("kept")(earlier)
    database = Database(path)
    assert await database.run(words) == ["kept"]
    database.close()
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("PRAGMA user_version").fetchone() == (SCHEMA,)


async def test_a_file_of_a_later_version_is_left_as_it_is(tmp_path):
    path = tmp_path / "state.sqlite"
    with closing(sqlite3.connect(path)) as later:
        later.execute(f"PRAGMA user_version={SCHEMA + 1}")
    before = path.read_bytes()
    with pytest.raises(NewerDatabase, match=f"later version .* number {SCHEMA + 1}"):
        Database(path)
    assert path.read_bytes() == before
