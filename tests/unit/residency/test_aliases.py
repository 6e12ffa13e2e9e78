"""What aliases mean, decided without any I/O."""

from __future__ import annotations

import pytest

from mme.residency.aliases import AliasTable
from mme.store.alias_file import AliasesUnreadable
from mme.store.alias_shelf import Aliases


@pytest.fixture
def table():
    return AliasTable(most_folders=5)


def read(table, version="1", folder="", **ids):
    return table.read(table.folder_of(folder), Aliases(version, ids))


def test_an_alias_means_nothing_before_it_was_asked_for(table):
    read(table, a="1")
    assert table.meaning("a") is None
    table.learn("a")
    assert table.meaning("a") == "a-1.tar.gz"
    assert table.names_of("a-1.tar.gz") == ["a"]
    assert table.learn("b") is None


def test_what_should_mean_something_else_is_told_until_it_does(table):
    read(table, a="1", b="1")
    table.learn("a")
    (alias,) = read(table, "2", a="2", b="2")
    assert (alias.target, alias.wanted) == ("a-1.tar.gz", "a-2.tar.gz")
    assert table.meaning("a") == "a-1.tar.gz"
    assert table.switch(alias, "a-2.tar.gz")
    assert (table.names_of("a-1.tar.gz"), table.names_of("a-2.tar.gz")) == ([], ["a"])
    assert read(table, "3", a="2") == []


def test_what_should_not_be_meant_any_more_is_not_switched_to(table):
    read(table, a="1")
    alias = table.learn("a")
    read(table, "2", a="2")
    read(table, "3", a="3")
    assert not table.switch(alias, "a-2.tar.gz")
    read(table, "4")
    assert not table.is_known(alias)
    assert not table.switch(alias, "a-3.tar.gz")
    assert table.meaning("a") is None


@pytest.mark.parametrize(
    "aliases", [Aliases(None, {}), Aliases("2", {}, AliasesUnreadable("x", "no JSON"))]
)
def test_a_file_that_is_gone_or_broken_changes_nothing(table, aliases):
    read(table, a="1", b="2")
    table.learn("a")
    assert table.read(table.folder_of(""), aliases) == []
    assert table.meaning("a") == "a-1.tar.gz"
    assert table.learn("b").target == "b-2.tar.gz"


def test_what_was_meant_last_is_meant_until_the_new_one_is_there(table):
    read(table, a="2")
    alias = table.learn("a", "a-1.tar.gz")
    assert (alias.target, alias.wanted) == ("a-1.tar.gz", "a-2.tar.gz")


def test_what_was_meant_last_is_no_alias_if_the_file_has_none(table):
    assert table.learn("a", "a-1.tar.gz").target == "a-1.tar.gz"
    read(table, folder="de/")
    assert table.learn("de/a", "de/a-1.tar.gz") is None


def test_what_is_deployed_here_counts_until_the_file_says_something_else(table):
    read(table, a="1")
    alias = table.learn("a")
    folder = table.folder_of("")
    table.deploy_here(folder, "a", "2")
    assert read(table, "1", a="1") == [alias]
    assert alias.wanted == "a-2.tar.gz"
    read(table, "2", a="3")
    assert alias.wanted == "a-3.tar.gz"
    table.deploy_here(folder, "c", "1")
    assert table.ids_of(folder) == {"a": "3", "c": "1"}
    assert table.learn("c").target == "c-1.tar.gz"


@pytest.mark.hostile("requests")
def test_names_that_anybody_asks_for_take_no_memory_for_good(table):
    read(table, a="1")
    table.learn("a")
    for number in range(1000):
        assert table.learn(f"{number}/a") is None
    assert len(table._folders) == 5
    assert table.meaning("a") == "a-1.tar.gz"


def test_folders_are_followed_while_they_are_asked_for(table):
    read(table, a="1")
    read(table, folder="de/", b="1")
    table.learn("a")
    assert [folder.name for folder in table.folders(100.0, 10.0)] == [""]
    assert [folder.name for folder in table.folders(110.0, 10.0)] == [""]
    assert list(table.folders(111.0, 10.0)) == []
    table.meaning("a")
    assert [folder.name for folder in table.folders(200.0, 10.0)] == [""]


def test_pages_are_in_the_order_of_names(table):
    read(table, a="1", b="1", c="1")
    for name in ("c", "a", "b"):
        table.learn(name)
    found, has_more = table.page("", 2)
    assert ([alias.name for alias in found], has_more) == (["a", "b"], True)
    found, has_more = table.page("b", 2)
    assert ([alias.name for alias in found], has_more) == (["c"], False)
