"""The index answers by name, target and use, and a damaged one is made anew."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mme.cache.entry import Entry
from mme.cache.index import Index
from mme.core.artifact import Admitted, Findings

ARTIFACTS = Path("/cache/artifacts")


def name_of(target, version="1"):
    return hashlib.md5(f"{target} {version}".encode(), usedforsecurity=False).hexdigest()


def entry(target, version="1", *, at=1.0, size=10):
    name = name_of(target, version)
    return Entry(
        Admitted(
            name=name, target=target, version=version, model_dir=ARTIFACTS / name / "model",
            scratch_dir=ARTIFACTS / name / "mapped", archive_bytes=1, admitted_at=at,
            findings=Findings(unpacked_bytes=2),
        ),
        disk_bytes=size,
    )  # fmt: skip


@pytest.fixture
def path(tmp_path):
    return tmp_path / "index.db"


@pytest.fixture
def index(path):
    opened = Index(path, ARTIFACTS)
    yield opened
    opened.close()


def targets(page):
    return [each.target for each in page]


def test_an_artifact_is_found_as_it_was_put_also_by_the_next_endpoint(path, index):
    index.put([entry("a")])
    assert index.get(name_of("a")) == entry("a")
    assert index.get(name_of("b")) is None
    index.close()
    again = Index(path, ARTIFACTS)
    assert again.get(name_of("a")) == entry("a")
    assert not again.is_incomplete
    again.close()


def test_a_new_index_is_incomplete(index):
    assert index.is_incomplete


def test_a_page_has_each_target_once_at_its_latest_version(index):
    index.put([entry("b"), entry("a", "old", at=1), entry("a", "new", at=2), entry("c")])
    assert [(each.target, each.version) for each in index.page("", 2)] == [("a", "new"), ("b", "1")]
    assert targets(index.page("b", 2)) == ["c"]
    assert index.page("c", 2) == []
    assert index.names_of("a") == [name_of("a", "new"), name_of("a", "old")]


def test_older_versions_are_superseded_in_whatever_order_they_come(index):
    index.put([entry("a", "2", at=2)])
    assert index.superseded(9) == []
    index.put([entry("a", "1", at=1), entry("a", "3", at=3)])
    assert set(index.superseded(9)) == {name_of("a", "1"), name_of("a", "2")}
    index.put([entry("a", "1", at=4)])
    assert set(index.superseded(9)) == {name_of("a", "2"), name_of("a", "3")}


def test_what_was_wanted_longest_ago_comes_first_but_for_superseded_ones(index):
    index.put([entry("a", at=1), entry("b", at=2), entry("c", "1", at=3), entry("c", "2", at=4)])
    index.touch({name_of("a"): 9.0, name_of("gone"): 1.0})
    order = [name for name, _ in index.least_wanted(9, 0)]
    assert order == [name_of("c", "1"), name_of("b"), name_of("c", "2"), name_of("a")]
    assert index.least_wanted(1, 1) == [(name_of("b"), 10)]


def test_unknown_names_are_told(index):
    index.put([entry("a")])
    assert index.unknown([name_of("a"), name_of("b")]) == [name_of("b")]
    assert index.unknown([]) == []


def test_names_can_be_gone_through_in_steps(index):
    index.put([entry(str(number)) for number in range(25)])
    seen, last = [], ""
    while step := index.names_after(last, 10):
        seen += step
        last = step[-1]
    assert seen == sorted(name_of(str(number)) for number in range(25))


changes = st.lists(st.tuples(st.sampled_from("pr"), st.integers(0, 5), st.integers(0, 99)))


@given(changes)
def test_totals_follow_every_change(changes):
    index, sizes = Index(Path(":memory:"), ARTIFACTS), {}
    for change, number, size in changes:
        if change == "p":
            index.put([entry(str(number), size=size)])
            sizes[number] = size
        else:
            index.remove([name_of(str(number))])
            sizes.pop(number, None)
    assert index.totals() == (len(sizes), sum(sizes.values()))
    index.close()


@pytest.mark.parametrize(
    "query",
    [
        (
            "SELECT name, entry, MAX(admitted_at) FROM artifacts WHERE target > 'a' GROUP BY target"
            " ORDER BY target LIMIT 5"
        ),
        (
            "SELECT name, disk_bytes FROM artifacts ORDER BY is_superseded DESC, wanted_at, name"
            " LIMIT 5 OFFSET 0"
        ),
        "SELECT name FROM artifacts WHERE is_superseded = 1 LIMIT 5",
        "SELECT name FROM artifacts WHERE target = 'a' ORDER BY admitted_at DESC",
        "SELECT name, entry FROM artifacts WHERE name = 'a'",
    ],
)
def test_no_question_goes_through_all_or_sorts(path, index, query):
    connection = sqlite3.connect(path)
    plan = " ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}"))
    connection.close()
    assert "USING" in plan
    assert "TEMP B-TREE" not in plan


@pytest.mark.parametrize("damage", [b"", b"no database at all", os.urandom(8192)])
def test_a_damaged_index_is_made_anew_at_the_start(path, damage):
    index = Index(path, ARTIFACTS)
    index.put([entry("a")])
    index.close()
    path.write_bytes(damage)
    again = Index(path, ARTIFACTS)
    assert again.is_incomplete
    assert again.totals() == (0, 0)
    again.put([entry("b")])
    assert again.get(name_of("b")) is not None
    again.close()


def test_the_index_of_another_version_is_made_anew(path):
    other = sqlite3.connect(path)
    other.executescript("CREATE TABLE artifacts (x); PRAGMA user_version = 99")
    other.close()
    index = Index(path, ARTIFACTS)
    index.put([entry("a")])
    assert index.totals() == (1, 10)
    index.close()


def test_an_index_damaged_while_in_use_is_made_anew(path):
    index = Index(path, ARTIFACTS)
    index.put([entry(str(number)) for number in range(2000)])
    index.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(os.urandom(size - 8192))
    again = Index(path, ARTIFACTS)
    for number in range(2000):
        again.get(name_of(str(number)))
        again.put([entry(str(number))])
    assert again.is_incomplete
    assert again.get(name_of("1999")) is not None
    again.close()


def test_where_no_index_can_be_written_it_is_in_memory(tmp_path):
    index = Index(tmp_path / "no such folder" / "index.db", ARTIFACTS)
    index.put([entry("a")])
    assert index.is_incomplete
    assert index.get(name_of("a")) == entry("a")
    index.close()


def test_a_write_that_fails_is_no_error(index):
    index.close()
    index.put([entry("a")])
    assert index.get(name_of("a")) is None
