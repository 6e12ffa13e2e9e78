"""The residency table against a plain model of what may happen, in any order."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule
from hypothesis.strategies import sampled_from

from mme.core.errors import TargetNotFound
from mme.residency.table import Model, ResidencyTable, State

TARGETS = ("a.tar.gz", "b.tar.gz", "de/c.tar.gz")


def make_model(target: str, name: str = "n1") -> Model:
    return Model(
        target=target,
        name=name,
        version=f"v-{name}",
        archive_bytes=1,
        unpacked_bytes=2,
        state=State.LOADING,
    )


def loaded_model(table: ResidencyTable, target: str = "a.tar.gz", name: str = "n1") -> Model:
    model = make_model(target, name)
    table.loaded(model, load_s=0.1, wall_s=100.0, now_s=1.0)
    return model


def test_a_loaded_model_is_ready_and_says_when_it_was_loaded():
    table = ResidencyTable()
    model = loaded_model(table)
    assert table.ready("a.tar.gz") is model
    assert (model.load_s, model.loaded_at) == (0.1, 100.0)


def test_an_idle_model_can_be_unloaded_the_moment_it_is_dismissed():
    table = ResidencyTable()
    model = loaded_model(table)
    assert [action.model for action in table.dismiss(model)] == [model]
    assert table.get("a.tar.gz") is None
    assert list(table) == []


def test_a_busy_model_is_unloaded_only_after_its_last_request():
    table = ResidencyTable()
    model = loaded_model(table)
    table.begin(model, 1.0)
    table.begin(model, 2.0)
    assert table.dismiss(model) == []
    assert model.state is State.DRAINING
    assert table.end(model, 3.0) == []
    assert [action.model for action in table.end(model, 4.0)] == [model]


def test_only_models_with_requests_since_the_last_look_are_busy():
    table = ResidencyTable()
    asked, _ = loaded_model(table), loaded_model(table, "b.tar.gz", "n2")
    table.begin(asked, 1.0)
    table.end(asked, 1.0)
    assert table.take_busy() == [asked]
    assert table.take_busy() == []


def test_a_model_is_to_be_measured_anew_when_its_uses_have_doubled():
    table = ResidencyTable()
    model = loaded_model(table)
    due = []
    for _ in range(8):
        table.begin(model, 1.0)
        table.end(model, 1.0)
        for grown in table.grown(10):
            grown.measured_at = grown.invocations
            due.append(grown.invocations)
    assert due == [1, 3, 7]


def test_dismissing_twice_unloads_once():
    table = ResidencyTable()
    model = loaded_model(table)
    assert len(table.dismiss(model)) == 1
    assert table.dismiss(model) == []


def test_a_new_version_takes_over_and_the_old_one_drains():
    table = ResidencyTable()
    old = loaded_model(table, name="old")
    table.begin(old, 1.0)
    new = make_model("a.tar.gz", "new")
    assert table.loaded(new, load_s=0.1, wall_s=2.0, now_s=2.0) == []
    assert table.ready("a.tar.gz") is new
    assert [action.model for action in table.end(old, 3.0)] == [old]


def test_a_draining_model_takes_no_request():
    table = ResidencyTable()
    model = loaded_model(table)
    table.begin(model, 1.0)
    table.dismiss(model)
    with pytest.raises(AssertionError):
        table.begin(model, 2.0)


def test_a_failure_is_remembered_until_its_time_and_forgotten_by_a_load():
    table = ResidencyTable()
    error = TargetNotFound("a.tar.gz", "/store/a.tar.gz")
    table.failed("a.tar.gz", error, until_s=5.0)
    assert table.failure("a.tar.gz", 4.9) is error
    assert table.failure("a.tar.gz", 5.0) is None
    table.failed("a.tar.gz", error, until_s=9.0)
    loaded_model(table)
    assert table.failure("a.tar.gz", 6.0) is None


def test_after_the_model_server_died_nothing_is_resident_and_ended_requests_do_no_harm():
    table = ResidencyTable()
    model = loaded_model(table)
    table.begin(model, 1.0)
    table.clear()
    assert table.get("a.tar.gz") is None
    assert table.end(model, 2.0) == []


class TableMachine(RuleBasedStateMachine):
    """Random events; the plain model is a set of names that were ordered out, once each."""

    models = Bundle("models")

    def __init__(self) -> None:
        super().__init__()
        self.table = ResidencyTable()
        self.unloaded: list[str] = []
        self.count = 0
        self.now = 0.0

    def note(self, actions: list) -> None:
        for action in actions:
            assert action.model.in_flight == 0
            self.unloaded.append(action.model.name)

    def tick(self) -> float:
        self.now += 1.0
        return self.now

    @rule(target=models, name=sampled_from(TARGETS))
    def load(self, name: str) -> Model:
        self.count += 1
        model = make_model(name, f"n{self.count}")
        self.note(self.table.loaded(model, load_s=0, wall_s=self.tick(), now_s=self.now))
        return model

    @rule(model=models)
    def begin(self, model: Model) -> None:
        if model.state is State.READY:
            self.table.begin(model, self.tick())

    @rule(model=models)
    def end(self, model: Model) -> None:
        if model.in_flight:
            self.note(self.table.end(model, self.tick()))

    @rule(model=models)
    def dismiss(self, model: Model) -> None:
        self.note(self.table.dismiss(model))

    @invariant()
    def nothing_is_unloaded_twice(self) -> None:
        assert len(self.unloaded) == len(set(self.unloaded))

    @invariant()
    def no_unloaded_model_is_in_the_table(self) -> None:
        assert not {model.name for model in self.table} & set(self.unloaded)

    @invariant()
    def current_models_are_ready_and_retiring_ones_are_busy(self) -> None:
        for model in self.table:
            if self.table.get(model.target) is model:
                assert model.state is State.READY
            else:
                assert model.state is State.DRAINING
                assert model.in_flight > 0


TestTableMachine = TableMachine.TestCase
TestTableMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
