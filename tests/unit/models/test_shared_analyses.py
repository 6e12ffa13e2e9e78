"""The table of words that forks share: it may forget anything, and never tells anything wrong."""

from __future__ import annotations

import mmap
import os
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.language.hanta.shared_analyses import MOST_CANDIDATES, SLOT_BYTES, SharedAnalyses
from models.language.hanta.word_index import MISSING, WordIndex

CANDIDATES = [(3, -1.5), (17, -2.25)]


@pytest.mark.parametrize("word", ["haus", "", "Übel", "\ud800", "\0", "x" * 100, "😀" * 10])
def test_what_is_remembered_is_what_was_put_there(word):
    table = SharedAnalyses(8)
    assert table.get(word, 1) is None
    table.put(word, 1, CANDIDATES)
    assert table.get(word, 1) in (CANDIDATES, None)
    assert (table.get(word, 1) == CANDIDATES) == (len(word.encode("utf-8", "replace")) < 98)
    assert table.get(word, 2) is None
    assert table.get(f"{word}n", 1) is None


def test_no_candidates_are_remembered_as_none_at_all():
    table = SharedAnalyses(8)
    table.put("haus", 0, [])
    assert table.get("haus", 0) == []


def test_too_many_candidates_are_not_remembered():
    table = SharedAnalyses(8)
    table.put("haus", 0, [(tag, -1.0) for tag in range(MOST_CANDIDATES + 1)])
    assert table.get("haus", 0) is None


def test_the_last_words_put_stay_and_the_table_does_not_grow():
    table = SharedAnalyses(4)
    for number in range(1000):
        table.put(f"wort{number}", 0, [(1, -float(number))])
        assert table.get(f"wort{number}", 0) == [(1, -float(number))]
    assert len(table._memory) == 4 * SLOT_BYTES
    assert sum(table.get(f"wort{number}", 0) is not None for number in range(1000)) <= 4


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, SLOT_BYTES * 2 - 1), st.integers(0, 255)), min_size=1))
def test_a_slot_that_was_tampered_with_is_empty_or_as_it_was(changes):
    table = SharedAnalyses(2)
    table.put("haus", 0, CANDIDATES)
    for place, value in changes:
        table._memory[place] = value
    assert table.get("haus", 0) in (CANDIDATES, None)


def test_writers_at_once_leave_nothing_wrong_behind():
    table, seen = SharedAnalyses(4), mmap.mmap(-1, 16)

    def write_and_read(seed, cell):
        chance = Random(seed)  # noqa: S311 - a fixed sequence, no secret
        right = 0
        for _ in range(20_000):
            number = chance.randrange(12)
            wanted = [(number, -float(number))] * (1 + number % 5)
            table.put(f"wort{number}", 0, wanted)
            other = chance.randrange(12)
            found = table.get(f"wort{other}", 0)
            if found not in (None, [(other, -float(other))] * (1 + other % 5)):
                os._exit(1)
            right += found is not None
        seen[cell : cell + 8] = right.to_bytes(8, "little")

    pid = os.fork()
    if pid == 0:
        try:
            write_and_read(1, 8)
            os._exit(0)
        finally:
            os._exit(2)
    write_and_read(2, 0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert all(int.from_bytes(seen[cell : cell + 8], "little") > 0 for cell in (0, 8))


@given(st.lists(st.text(max_size=5), unique=True, max_size=50), st.text(max_size=5))
def test_an_index_finds_the_words_it_has_and_no_others(words, other):
    index = WordIndex(words)
    assert len(index) == len(words)
    assert [index.find(word) for word in words] == list(range(len(words)))
    assert (index.find(other) == MISSING) == (other not in words)
