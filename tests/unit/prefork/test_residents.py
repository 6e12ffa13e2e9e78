"""What a worker keeps: the last used, no more than it may, and less where memory is short."""

from __future__ import annotations

import resource
from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mme.prefork.residents import Residents, most_by_files


class Loader:
    """Loads names; fails for want of memory as often as told."""

    def __init__(self, failures: int = 0, error: type[BaseException] = MemoryError) -> None:
        self.failures, self.error, self.loads = failures, error, 0

    def __call__(self):
        self.loads += 1
        if self.loads <= self.failures:
            raise self.error
        return object()


def filled(most: int, *names: str) -> Residents:
    residents = Residents(most)
    for name in names:
        residents.get(name, Loader())
    residents.take_note()
    return residents


def test_a_model_is_loaded_once():
    residents, load = Residents(2), Loader()
    assert residents.get("a", load) is residents.get("a", load)
    assert load.loads == 1


def test_loading_is_timed_and_noted_once():
    seconds = iter([10.0, 10.5])
    residents = Residents(2, clock=lambda: next(seconds))
    residents.get("a", Loader())
    note = residents.take_note()
    assert note is not None
    assert note.load_s == 0.5
    assert residents.take_note() is None


def test_an_error_is_noted_and_leaves_nothing():
    residents = Residents(2)
    with pytest.raises(KeyError):
        residents.get("a", Loader(1, KeyError))
    note = residents.take_note()
    assert note is not None
    assert note.is_unloadable
    assert "a" not in residents


def test_where_memory_is_short_the_older_half_goes_and_it_is_tried_again():
    residents, load = filled(9, "a", "b", "c", "d", "e"), Loader(1)
    residents.get("f", load)
    note = residents.take_note()
    assert note is not None
    assert note.dropped == ["a", "b", "c"]
    assert load.loads == 2
    assert "f" in residents


def test_it_is_tried_only_twice():
    residents, load = filled(9, "a", "b"), Loader(2)
    with pytest.raises(MemoryError):
        residents.get("f", load)
    assert load.loads == 2


def test_with_nothing_to_drop_it_is_not_tried_again():
    residents, load = Residents(9), Loader(1)
    with pytest.raises(MemoryError):
        residents.get("f", load)
    assert load.loads == 1


def test_a_bound_that_was_lowered_holds_at_the_next_load():
    residents = filled(5, "a", "b", "c", "d")
    residents.most = 2
    residents.get("e", Loader())
    assert len(residents) == 2
    assert "d" in residents


def test_files_bound_how_many_models_fit():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        most = most_by_files()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == hard
        assert most == (hard - 64) // 3
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


NAMES = st.sampled_from("abcdefgh")


class AgainstAPlainDict(RuleBasedStateMachine):
    """Any sequence of questions and drops, beside an ordered dict."""

    def __init__(self) -> None:
        super().__init__()
        self.residents = Residents(3)
        self.plain: OrderedDict[str, object] = OrderedDict()

    @rule(name=NAMES)
    def get(self, name):
        load = Loader()
        model = self.residents.get(name, load)
        dropped = []
        if name in self.plain:
            assert model is self.plain[name]
            assert load.loads == 0
            self.plain.move_to_end(name)
        else:
            while len(self.plain) >= 3:
                dropped.append(self.plain.popitem(last=False)[0])
            self.plain[name] = model
        note = self.residents.take_note()
        assert (note.dropped if note else []) == dropped

    @rule(names=st.lists(NAMES, max_size=3))
    def drop(self, names):
        self.residents.drop(names)
        for name in names:
            self.plain.pop(name, None)

    @invariant()
    def they_hold_the_same(self):
        assert len(self.residents) == len(self.plain)
        assert all(name in self.residents for name in self.plain)


TestAgainstAPlainDict = AgainstAPlainDict.TestCase


@given(st.integers(1, 20), st.integers(0, 40))
def test_there_are_never_more_than_may_be(most, count):
    residents = Residents(most)
    for number in range(count):
        residents.get(str(number), Loader())
        assert len(residents) <= most
