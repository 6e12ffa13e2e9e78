"""`mme alias` as people and programs use it: what it prints, and its exit codes."""

from __future__ import annotations

import json
import logging

import pytest

from mme.cli.main import main


@pytest.fixture(autouse=True)
def _logging_as_before():
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def alias(tmp_path, capsys):
    """The command on a folder with versions 1 to 3: exit code, what it printed, what it said."""
    (tmp_path / "de").mkdir()
    for number in (1, 2, 3):
        for folder in ("", "de"):
            (tmp_path / folder / f"DocSim-{number}.tar.gz").write_bytes(b"x")

    def run(*arguments, store=str(tmp_path)):
        code = main(["alias", *arguments, "--store", store])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_it_says_what_it_did(alias):
    assert alias("set", "DocSim", "1")[:2] == (0, "DocSim: nothing -> 1 (DocSim-1.tar.gz)\n")
    assert alias("set", "DocSim", "2")[:2] == (0, "DocSim: 1 -> 2 (DocSim-2.tar.gz)\n")
    assert alias("set", "DocSim", "2")[:2] == (0, "DocSim means 2 already (DocSim-2.tar.gz)\n")
    assert alias("get", "DocSim")[:2] == (0, "2\n")
    assert alias("rollback", "DocSim")[:2] == (0, "DocSim: 2 -> 1 (DocSim-1.tar.gz)\n")
    assert alias("rollback", "DocSim", "--to", "3")[:2] == (0, "DocSim: 1 -> 3 (DocSim-3.tar.gz)\n")


def test_programs_get_json(alias):
    _, printed, _ = alias("set", "de/DocSim", "1", "--json")
    said = {"alias": "de/DocSim", "id": "1", "target_model": "de/DocSim-1.tar.gz"}
    assert json.loads(printed) == said | {"former_id": None}
    assert json.loads(alias("get", "de/DocSim", "--json")[1]) == said
    assert json.loads(alias("list", "--json")[1]) == [said]
    (entry,) = json.loads(alias("history", "de/DocSim", "--json")[1])
    assert (entry["id"], entry["how"]) == ("1", "set")


def test_aliases_of_all_folders_are_listed(alias):
    alias("set", "de/DocSim", "2")
    alias("set", "DocSim", "1")
    assert alias("list")[:2] == (0, "DocSim     1\nde/DocSim  2\n")
    assert alias("list", "de/")[:2] == (0, "de/DocSim  2\n")
    assert alias("list", "de/D")[:2] == (0, "de/DocSim  2\n")
    assert alias("list", "Other")[:2] == (0, "")


def test_a_file_that_cannot_be_used_does_not_hide_the_others(alias, tmp_path):
    alias("set", "DocSim", "1")
    (tmp_path / "de" / "models-id.json").write_text("{")
    code, printed, said = alias("list")
    assert (code, printed) == (1, "DocSim  1\n")
    assert "no JSON" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["set", "DocSim", "9"], "DocSim-9.tar.gz"),
        (["set", "DocSim", "1", "--expect", "2"], "DocSim means nothing, not '2'"),
        (["set", "DocSim.tar.gz", "1"], "no alias"),
        (["set", "DocSim", "a/b"], "has a slash"),
        (["set", "../DocSim", "1"], "not a plain path"),
        (["get", "DocSim"], "there is no alias DocSim"),
        (["rollback", "DocSim"], "no alias DocSim"),
    ],
)
def test_what_cannot_be_done_is_said_with_code_1(alias, arguments, words):
    code, printed, said = alias(*arguments)
    assert (code, printed) == (1, "")
    assert said.startswith("mme: ")
    assert words in said


def test_a_store_that_is_none_is_said_with_code_2(alias, tmp_path):
    code, _, said = alias("list", store=str(tmp_path / "none"))
    assert code == 2
    assert "is not a folder" in said


def test_the_store_is_the_endpoints_unless_another_one_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("MME_STORE", str(tmp_path))
    assert main(["alias", "set", "DocSim", "1", "--force"]) == 0
    assert json.loads((tmp_path / "models-id.json").read_text()) == {"DocSim": "1"}
    assert capsys.readouterr().out
