"""Aliases of a store, changed by several at once; a folder and S3."""

from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from mme.core.errors import InvalidRequest, TargetNotFound
from mme.residency.newest import candidates
from mme.store import Changed, open_store
from mme.store.alias_changes import (
    NotAsExpected,
    UnknownAlias,
    entries_of,
    meaning_of,
    roll_back,
    set_alias,
    take_back,
)
from mme.store.alias_file import AliasesUnreadable, parse, render
from mme.store.alias_history import Entry, before, standing
from mme.store.alias_history import parse as parse_history
from mme.store.alias_history import render as render_history
from mme.store.alias_shelf import read_aliases
from mme.store.by_uri import StoresByUri


@pytest.fixture(params=["folder", "s3"])
def store(request, tmp_path, monkeypatch):
    if request.param == "folder":
        made = open_store(str(tmp_path))
        (tmp_path / "de").mkdir()
    else:
        server = request.getfixturevalue("s3_server")
        bucket = f"aliases-{uuid.uuid4().hex[:12]}"
        server.client().create_bucket(Bucket=bucket)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        made = open_store(f"s3://{bucket}/models/")
    for number in range(1, 5):
        made.replace(f"DocSim-{number}.tar.gz", b"x", None)
        made.replace(f"de/DocSim-{number}.tar.gz", b"x", None)
    return made


def content(store, key="models-id.json"):
    with store.open(store.find(key)) as source:
        return json.loads(source.read())


def test_the_file_has_the_originals_form(store):
    set_alias(store, "DocSim", "1")
    set_alias(store, "de/DocSim", "2")
    assert content(store) == {"DocSim": "1"}
    assert content(store, "de/models-id.json") == {"DocSim": "2"}
    assert (meaning_of(store, "DocSim"), meaning_of(store, "de/DocSim")) == ("1", "2")
    assert meaning_of(store, "Other") == ""


def test_what_is_set_already_is_left(store):
    set_alias(store, "DocSim", "1")
    version = store.find("models-id.json").version
    assert set_alias(store, "DocSim", "1").former == "1"
    assert store.find("models-id.json").version == version
    assert len(entries_of(store, "DocSim")) == 1


def test_an_alias_is_set_only_if_it_means_what_was_expected(store):
    with pytest.raises(NotAsExpected, match="means nothing, not '1'"):
        set_alias(store, "DocSim", "2", expected="1")
    set_alias(store, "DocSim", "1", expected="")
    with pytest.raises(NotAsExpected, match="means '1', not nothing"):
        set_alias(store, "DocSim", "2", expected="")
    set_alias(store, "DocSim", "2", expected="1")
    assert meaning_of(store, "DocSim") == "2"


def test_an_artifact_that_is_missing_is_not_set_unless_forced(store):
    with pytest.raises(TargetNotFound, match=r"DocSim-9\.tar\.gz"):
        set_alias(store, "DocSim", "9")
    set_alias(store, "DocSim", "9", needs_artifact=False)
    assert meaning_of(store, "DocSim") == "9"


@pytest.mark.parametrize(
    ("alias", "version_id"),
    [
        ("DocSim.tar.gz", "1"), ("../DocSim", "1"), ("", "1"), ("models-id.json", "1"),
        ("DocSim", ""), ("DocSim", "a/b"), ("DocSim", "1.tar.gz"), ("DocSim", "a\n"),
        ("DocSim", "\\"),
    ],
)  # fmt: skip
def test_what_cannot_be_an_alias_or_an_id_is_refused(store, alias, version_id):
    with pytest.raises(InvalidRequest):
        set_alias(store, alias, version_id)


def test_rolling_back_goes_back_step_by_step(store):
    for number in ("1", "2", "3"):
        set_alias(store, "DocSim", number)
    assert roll_back(store, "DocSim").id == "2"
    assert roll_back(store, "DocSim").id == "1"
    with pytest.raises(UnknownAlias, match="say which"):
        roll_back(store, "DocSim")
    assert roll_back(store, "DocSim", "4").id == "4"
    assert [entry.how for entry in entries_of(store, "DocSim")] == ["set"] * 3 + ["rollback"] * 3


def test_what_others_had_set_is_gone_back_to(store):
    store.replace("models-id.json", b'{"DocSim": "1"}', None)
    set_alias(store, "DocSim", "2")
    assert roll_back(store, "DocSim").id == "1"


def test_an_alias_that_is_none_is_not_rolled_back(store):
    with pytest.raises(UnknownAlias, match="no alias"):
        roll_back(store, "DocSim")


def test_what_is_taken_back_means_what_it_meant_before_or_nothing(store):
    set_alias(store, "DocSim", "1")
    set_alias(store, "DocSim", "2")
    set_alias(store, "de/DocSim", "3")
    set_alias(store, "de/Other", "4", needs_artifact=False)
    change = take_back(store, "DocSim", "2")
    assert change is not None
    assert (change.former, change.id) == ("2", "1")
    assert content(store) == {"DocSim": "1"}
    assert entries_of(store, "DocSim")[-1].how == "rollback"
    change = take_back(store, "de/DocSim", "3")
    assert change is not None
    assert (change.former, change.id) == ("3", "")
    assert content(store, "de/models-id.json") == {"Other": "4"}


def test_what_means_something_else_by_now_is_not_taken_back(store):
    set_alias(store, "DocSim", "1")
    set_alias(store, "DocSim", "2")
    assert take_back(store, "DocSim", "1") is None
    assert take_back(store, "Never", "1") is None
    assert content(store) == {"DocSim": "2"}


def test_of_two_that_came_at_once_and_both_fail_neither_is_gone_back_to(store):
    for number in ("1", "2", "3"):
        set_alias(store, "DocSim", number)
    assert take_back(store, "DocSim", "2") is None
    assert content(store) == {"DocSim": "3"}
    change = take_back(store, "DocSim", "3")
    assert change is not None
    assert (change.former, change.id) == ("3", "1")


def test_a_file_that_cannot_be_read_is_not_replaced(store):
    store.replace("models-id.json", b"{", None)
    for change in (lambda: set_alias(store, "DocSim", "1"), lambda: roll_back(store, "DocSim")):
        with pytest.raises(AliasesUnreadable, match="no JSON"):
            change()


def test_that_a_history_cannot_be_read_does_not_keep_an_alias_from_being_set(store, caplog):
    store.replace("models-id-history.json", b"[]", None)
    store.replace("models-id.json", b'{"DocSim": "1"}', None)
    set_alias(store, "DocSim", "2")
    assert meaning_of(store, "DocSim") == "2"
    assert "not noted" in caplog.text


def test_of_those_that_expect_the_same_one_wins(store):
    set_alias(store, "DocSim", "1")

    def change(number):
        try:
            return set_alias(store, "DocSim", str(number), expected="1").id
        except NotAsExpected:
            return None

    with ThreadPoolExecutor(3) as pool:
        won = [version_id for version_id in pool.map(change, (2, 3, 4)) if version_id]
    assert won == [meaning_of(store, "DocSim")]
    assert [entry.id for entry in entries_of(store, "DocSim")] == ["1", *won]


def test_what_several_set_alike_is_noted_once(store):
    set_alias(store, "DocSim", "1")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: set_alias(store, "DocSim", "2", how="deploy"), range(4)))
    noted = [(entry.how, entry.id) for entry in entries_of(store, "DocSim")]
    assert noted == [("set", "1"), ("deploy", "2")]


def test_one_that_sees_a_change_of_its_own_done_by_another_does_not_note_it_again(store):
    set_alias(store, "DocSim", "1")
    replace = store.replace
    seen: list[str] = []

    def overtaken(key, content, version):
        if key == "models-id.json" and not seen:
            seen.append(key)
            set_alias(store, "DocSim", "2", how="deploy")
        replace(key, content, version)

    store.replace = overtaken
    set_alias(store, "DocSim", "2", how="deploy", pause=lambda _: None)
    noted = [(entry.how, entry.id) for entry in entries_of(store, "DocSim")]
    assert noted == [("set", "1"), ("deploy", "2")]


def test_of_many_aliases_that_are_set_at_once_none_is_lost(store):
    names = [f"M{number}" for number in range(8)]

    def change(name):
        set_alias(store, name, "1", needs_artifact=False)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(change, names))
    assert content(store) == dict.fromkeys(names, "1")
    assert list(content(store, "models-id-history.json")) == names


def test_a_file_that_is_the_same_is_not_read_again(store):
    set_alias(store, "DocSim", "1")
    first = read_aliases(store, "")
    assert read_aliases(store, "", first) is first


@pytest.mark.hostile("stores")
@pytest.mark.parametrize(
    "said",
    [
        b"", b"[]", b"nonsense", b"\xff", b"[" * 100_000, b'{"a": null}', b'{"a": true}',
        b'{"a": ["1"]}', b'{"a": "x/y"}', b'{"a": "\\u0000"}', b'{"a": ""}', b'{"a/b": "1"}',
        b'{"a.tar.gz": "1"}', b'{"": "1"}', b'{"a": "' + b"x" * 2000 + b'"}', b" " * (2**22 + 1),
        b'{"a": 1.5}',
    ],
)  # fmt: skip
def test_a_file_that_is_none_of_aliases_is_refused(said):
    with pytest.raises(AliasesUnreadable, match=r"models-id\.json"):
        parse(said, "s3://b/models-id.json")


def test_ids_may_be_numbers_and_files_come_back_as_they_were():
    assert parse(b'{"a": 7}', "x") == {"a": "7"}
    ids = {"ü": "2020-03-01", "a": "1"}
    assert parse(render(ids), "x") == ids


@pytest.mark.hostile("stores")
@pytest.mark.parametrize("said", [b"[]", b"{", b'{"a": 1}', b'{"a": [{}]}', b'{"a": [1]}'])
def test_a_history_that_is_none_is_refused(said):
    with pytest.raises(AliasesUnreadable):
        parse_history(said, "x")


def test_a_long_history_loses_its_oldest_entries():
    entries = [Entry(str(number), "t", "set") for number in range(1000)]
    kept = parse_history(render_history({"a": entries}), "x")["a"]
    assert kept == entries[-64:]
    many = {f"{number}": entries[:64] for number in range(6000)}  # 20 MiB of them
    assert len(render_history(many)) <= 16 * 1024 * 1024


@pytest.mark.parametrize(
    ("steps", "ids"),
    [
        ("1 2 3", "1 2 3"),
        ("1 2 3 <2", "1 2"),
        ("1 2 3 <1", "1"),
        ("1 2 3 <2 4", "1 2 4"),
        ("1 2 <9", "1 2 9"),
        ("1 1 2", "1 2"),
        ("", ""),
    ],
)
def test_what_was_rolled_back_is_not_gone_back_to(steps, ids):
    entries = [
        Entry(step.lstrip("<"), "t", "rollback" if step.startswith("<") else "set")
        for step in steps.split()
    ]
    assert standing(entries) == ids.split()


def test_before_a_present_that_is_not_noted_is_the_last_that_is():
    entries = [Entry("1", "t", "set")]
    assert before(entries, "9") == "1"
    late = [*entries, Entry("2", "t", "found"), Entry("1", "t", "rollback"), Entry("2", "t", "set")]
    assert before(late, "1") is None
    assert before(entries, "1") is None


def test_aliases_of_an_endpoint_with_a_store_of_its_own_are_named_by_uri(
    s3_server, tmp_path, monkeypatch
):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_server.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    bucket = f"own-{uuid.uuid4().hex[:12]}"
    s3_server.client().create_bucket(Bucket=bucket)
    store = StoresByUri(open_store(str(tmp_path)))
    alias = f"s3://{bucket}/models/DocSim"
    for version_id in ("1", "2"):
        store.replace(f"{alias}-{version_id}.tar.gz", b"x", None)
        set_alias(store, alias, version_id)
    assert content(store, f"s3://{bucket}/models/models-id.json") == {"DocSim": "2"}
    assert roll_back(store, alias).target == f"{alias}-1.tar.gz"
    found = candidates(
        store.list_folder(f"s3://{bucket}/models/"), f"s3://{bucket}/models/", {"DocSim": "1"}
    )
    assert [(each.name, each.id) for each in found] == [("DocSim", "2")]
    assert list(tmp_path.iterdir()) == []


def test_a_change_whose_answer_was_lost_is_found_done(store, monkeypatch):
    set_alias(store, "DocSim", "1")
    replace = store.replace

    def replace_and_lose(target, content, version):
        replace(target, content, version)
        monkeypatch.undo()  # the client sends it again, and that finds another version
        raise Changed(target)

    monkeypatch.setattr(store, "replace", replace_and_lose)
    change = set_alias(store, "DocSim", "2", expected="1", pause=lambda _: None)
    assert (change.former, change.id) == ("1", "2")
    assert [entry.id for entry in entries_of(store, "DocSim")] == ["1", "2"]
