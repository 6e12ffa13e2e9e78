"""The table of targets: each rule by example, and any order of events against a plain model."""

from __future__ import annotations

from pathlib import Path

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.strategies import DataObject, data, sampled_from

from mme.core.artifact import Admitted, Findings
from mme.core.errors import TargetNotFound
from mme.core.names import model_name
from mme.residency.table import Known, TargetTable

TARGETS = ("a.tar.gz", "b.tar.gz", "de/c.tar.gz")
A, B, C = TARGETS
MOST_IDLE = 2


def artifact(target: str = A, version: str = "1", admitted_at: float = 0.0) -> Admitted:
    name, nowhere = model_name(target, version), Path("/nowhere")
    return Admitted(name, target, version, nowhere, nowhere, 1, admitted_at, Findings(2))


def arrived(table: TargetTable, target: str = A, version: str = "1") -> Known:
    """A version that serves from now on."""
    assert table.arrived(artifact(target, version), 1.0, 100.0) == []
    known = table.current(target)
    assert known is not None
    return known


def test_what_arrived_serves_and_says_since_when():
    table = TargetTable()
    known = arrived(table)
    assert list(table) == [known]
    assert (known.checked_at_s, known.loaded_at) == (1.0, 100.0)
    assert (known.in_flight, known.invocations, known.last_used_at) == (0, 0, None)


def test_requests_are_counted_and_the_last_use_is_noted():
    table = TargetTable()
    known = arrived(table)
    table.begin(known, 101.0)
    table.begin(known, 102.0)
    assert (known.in_flight, known.invocations, known.last_used_at) == (2, 2, 102.0)
    assert table.uses(known.artifact.name)
    assert table.end(known, 103.0) == []
    assert (known.in_flight, known.invocations, known.last_used_at) == (1, 2, 103.0)
    assert table.end(known, 104.0) == []
    assert not table.uses(known.artifact.name)


def test_an_idle_version_is_let_go_the_moment_it_is_dismissed():
    table = TargetTable()
    known = arrived(table)
    assert [each.known for each in table.dismiss(known)] == [known]
    assert table.current(A) is None
    assert list(table) == []


def test_a_busy_version_is_let_go_after_its_last_request():
    table = TargetTable()
    known = arrived(table)
    table.begin(known, 1.0)
    table.begin(known, 2.0)
    assert table.dismiss(known) == []
    assert table.current(A) is None
    assert table.uses(known.artifact.name)
    assert table.end(known, 3.0) == []
    (let_go,) = table.end(known, 4.0)
    assert (let_go.known, let_go.is_superseded) == (known, False)
    assert not table.uses(known.artifact.name)


def test_dismissing_twice_lets_go_once():
    table = TargetTable()
    known = arrived(table)
    assert len(table.dismiss(known)) == 1
    assert table.dismiss(known) == []


def test_a_new_version_takes_over_at_once_and_the_old_one_leaves_memory_and_disk_when_drained():
    table = TargetTable()
    old = arrived(table)
    table.begin(old, 1.0)
    new = arrived(table, version="2")
    assert table.current(A) is new
    assert set(table) == {old, new}
    (let_go,) = table.end(old, 3.0)
    assert (let_go.known, let_go.is_superseded) == (old, True)


def test_an_idle_old_version_leaves_when_the_new_one_arrives():
    table = TargetTable()
    old = arrived(table)
    (let_go,) = table.arrived(artifact(version="2"), 2.0, 101.0)
    assert (let_go.known, let_go.is_superseded) == (old, True)


def test_the_same_version_that_arrives_again_was_only_looked_at():
    table = TargetTable()
    known = arrived(table)
    assert table.arrived(artifact(), 7.0, 107.0) == []
    assert table.current(A) is known
    assert (known.checked_at_s, known.loaded_at) == (7.0, 100.0)


def test_the_same_version_admitted_anew_serves_without_the_old_record_being_let_go():
    table = TargetTable()
    old = arrived(table)
    table.begin(old, 1.0)
    assert table.arrived(artifact(admitted_at=5.0), 2.0, 101.0) == []
    assert table.current(A) is not old
    # Its name is that of what serves now.
    assert table.uses(old.artifact.name)
    assert table.end(old, 3.0) == []
    assert not table.uses(old.artifact.name)


def test_a_version_that_comes_back_while_it_drains_is_not_let_go():
    table = TargetTable()
    first = arrived(table)
    table.begin(first, 1.0)
    arrived(table, version="2")
    (let_go,) = table.arrived(artifact(admitted_at=9.0), 3.0, 102.0)
    assert let_go.known.artifact.version == "2"
    again = table.current(A)
    assert again is not None
    assert again.artifact.name == first.artifact.name
    assert table.end(first, 4.0) == []
    assert not table.uses(first.artifact.name)


def test_a_forgotten_version_does_not_serve_and_nothing_is_to_be_done_for_it():
    table = TargetTable()
    known = arrived(table)
    table.begin(known, 1.0)
    table.forget(known)
    assert table.current(A) is None
    assert table.uses(known.artifact.name)
    assert table.end(known, 2.0) == []
    table.forget(known)
    assert list(table) == []


def test_a_forgotten_version_does_not_take_its_successor_with_it():
    table = TargetTable()
    known = arrived(table)
    table.forget(known)
    successor = arrived(table, version="2")
    table.forget(known)
    assert table.current(A) is successor


def test_a_failure_is_remembered_until_its_time():
    table = TargetTable()
    error = TargetNotFound(A, "/store/a.tar.gz")
    table.failed(A, error, until_s=5.0)
    assert table.failure(A, 4.9) is error
    assert table.failure(B, 4.9) is None
    assert table.failure(A, 5.0) is None
    assert table.failure(A, 4.9) is None  # it is not kept longer than that


def test_a_failure_is_no_reason_any_more_once_it_is_forgiven_or_the_target_arrived():
    table = TargetTable()
    error = TargetNotFound(A, "/store/a.tar.gz")
    table.failed(A, error, until_s=5.0)
    table.forgive(A)
    assert table.failure(A, 0.0) is None
    table.failed(A, error, until_s=5.0)
    arrived(table)
    assert table.failure(A, 0.0) is None


def test_of_too_many_failures_the_oldest_is_forgotten():
    table = TargetTable(most_failures=2)
    error = TargetNotFound(A, "/store/a.tar.gz")
    for target in (A, B, A, C):
        table.failed(target, error, until_s=5.0)
    assert [table.failure(each, 0.0) for each in TARGETS] == [error, None, error]


def test_a_failure_leaves_the_version_that_serves_in_place():
    table = TargetTable()
    known = arrived(table)
    table.failed(A, TargetNotFound(A, "/store/a.tar.gz"), until_s=5.0)
    assert table.current(A) is known


def test_of_idle_targets_those_not_asked_for_longest_are_forgotten_first():
    table = TargetTable(MOST_IDLE)
    first, second = arrived(table, A), arrived(table, B)
    table.begin(first, 1.0)
    table.end(first, 2.0)
    arrived(table, C)
    assert len(table) == MOST_IDLE
    assert table.current(second.target) is None
    assert table.current(first.target) is first


def test_targets_with_requests_are_remembered_however_many_they_are():
    table = TargetTable(MOST_IDLE)
    for target in TARGETS:
        table.begin(arrived(table, target), 1.0)
    assert len(table) == len(TARGETS)


def test_what_has_just_arrived_is_not_forgotten_for_want_of_other_idle_ones():
    table = TargetTable(1)
    table.begin(arrived(table, A), 1.0)
    assert arrived(table, B) is table.current(B)


class TableMachine(RuleBasedStateMachine):
    """Any order of events; the model: what serves, what has requests, what is still to go."""

    def __init__(self) -> None:
        super().__init__()
        self.table = TargetTable(MOST_IDLE)
        self.now_s = 0.0
        self.serving: dict[str, Known] = {}
        """What must serve, unless it was idle and forgotten."""
        self.requests: list[Known] = []
        self.dismissed: list[Known] = []
        """Dismissed or replaced, neither let go nor back."""
        self.let_go: list[Known] = []
        self.everyone: list[Known] = []

    def tick(self) -> float:
        self.now_s += 1.0
        return self.now_s

    def note(self, actions: list) -> None:
        for action in actions:
            known = action.known
            assert known.artifact.name not in self.names_in_use()
            assert known in self.dismissed
            self.dismissed.remove(known)
            self.let_go.append(known)
            current = self.table.current(known.target)
            assert action.is_superseded == (current is not None)
            # What serves under the same name would be dropped with it.
            assert current is None or current.artifact.name != known.artifact.name

    def names_in_use(self) -> set[str]:
        return {each.artifact.name for each in self.requests}

    @rule(name=sampled_from(TARGETS), version=sampled_from("12"), anew=sampled_from((0, 1)))
    def arrive(self, name: str, version: str, anew: int) -> None:
        before = self.table.current(name)
        coming = artifact(name, version, float(anew))
        if before is not None and before.artifact.name != coming.name:
            self.dismissed.append(before)
        self.dismissed = [each for each in self.dismissed if each.artifact.name != coming.name]
        actions = self.table.arrived(coming, self.tick(), self.now_s)
        current = self.table.current(name)
        assert current is not None
        assert current.artifact == coming
        assert (current is before) == (before is not None and before.artifact == coming)
        self.serving[name] = current
        if current not in self.everyone:
            self.everyone.append(current)
        self.note(actions)

    @precondition(lambda self: any(self.table))
    @rule(draw=data())
    def begin(self, draw: DataObject) -> None:
        known: Known = draw.draw(sampled_from(sorted(self.table, key=lambda each: each.target)))
        if self.table.current(known.target) is known:
            self.table.begin(known, self.tick())
            self.requests.append(known)

    @precondition(lambda self: self.requests)
    @rule(draw=data())
    def end(self, draw: DataObject) -> None:
        known: Known = draw.draw(sampled_from(self.requests))
        self.requests.remove(known)
        self.note(self.table.end(known, self.tick()))

    @precondition(lambda self: self.everyone)
    @rule(draw=data())
    def dismiss(self, draw: DataObject) -> None:
        known: Known = draw.draw(sampled_from(self.everyone))
        if self.serving.get(known.target) is known and self.table.current(known.target) is known:
            del self.serving[known.target]
            self.dismissed.append(known)
            self.note(self.table.dismiss(known))

    @precondition(lambda self: self.everyone)
    @rule(draw=data())
    def forget(self, draw: DataObject) -> None:
        known: Known = draw.draw(sampled_from(self.everyone))
        if self.serving.get(known.target) is known:
            del self.serving[known.target]
        self.table.forget(known)

    @invariant()
    def what_must_serve_serves_unless_it_was_idle(self) -> None:
        for target in TARGETS:
            serving, current = self.serving.get(target), self.table.current(target)
            assert current is serving or (current is None and serving not in self.requests)

    @invariant()
    def requests_are_counted_per_version_and_per_name(self) -> None:
        for known in self.everyone:
            assert known.in_flight == self.requests.count(known)
        for request in self.requests:
            assert self.table.uses(request.artifact.name)

    @invariant()
    def what_was_dismissed_and_has_requests_is_still_to_be_let_go(self) -> None:
        for known in self.dismissed:
            assert known.artifact.name in self.names_in_use()

    @invariant()
    def nothing_is_let_go_twice(self) -> None:
        assert len({id(known) for known in self.let_go}) == len(self.let_go)


TestTableMachine = TableMachine.TestCase
TestTableMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
