import sqlite3
from contextlib import closing

import pytest

from mme.app.state import state_database
from mme.core.settings import Settings, SettingsError


async def test_the_state_is_there_again_after_a_restart(tmp_path):
    settings = Settings(state_dir=tmp_path / "state")
    with state_database(settings) as database:
        await database.run(lambda db: db.execute("CREATE TABLE kept (x)"))
    with state_database(settings) as database:
        assert await database.run(lambda db: db.execute("SELECT * FROM kept").fetchall()) == []


async def test_a_named_folder_that_another_endpoint_uses_is_refused(tmp_path):
    settings = Settings(state_dir=tmp_path)
    with (
        state_database(settings),
        pytest.raises(SettingsError, match=r"MME_STATE_DIR=.*another endpoint uses it"),
        state_database(settings),
    ):
        pytest.fail("two endpoints share a state")


async def test_without_a_usable_default_folder_the_state_is_private_and_the_log_says_so(
    tmp_path, monkeypatch, caplog
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with state_database(Settings()) as database:
        assert await database.run(lambda db: db.execute("SELECT 1").fetchone()) == (1,)
    assert "are lost when this stops" in caplog.text


@pytest.mark.parametrize("is_named", [True, False])
async def test_the_state_of_a_later_version_ends_the_start_wherever_it_is(
    tmp_path, monkeypatch, is_named
):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    settings = Settings(state_dir=tmp_path / "mme") if is_named else Settings()
    with state_database(settings):
        pass
    with closing(sqlite3.connect(tmp_path / "mme" / "state.sqlite")) as later:
        later.execute("PRAGMA user_version=999")
    with (
        pytest.raises(SettingsError, match=r"MME_STATE_DIR.*later version of mme.*999"),
        state_database(settings),
    ):
        pytest.fail("it would be misread")
