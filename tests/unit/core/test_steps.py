"""The header with which an ensemble's worker says what its steps took."""

from __future__ import annotations

import pytest

from mme.core.spent import MOST_STEPS, Spent
from mme.core.steps import MOST, STEPS, steps_header, steps_in
from mme.core.through_mms import answer_of


@pytest.mark.parametrize("steps_s", [{}, {"search": 0.0012345}, {"a": 1e-07, "B_-9": 12345.0}])
def test_what_is_written_is_read(steps_s):
    assert steps_in({STEPS: steps_header(steps_s)}) == steps_s


def test_without_the_header_there_are_no_steps():
    assert steps_in({"content-type": "text/plain"}) == {}


@pytest.mark.parametrize(
    "said", ["", ",", "a", "a=", "=1", "a=x", "a=-1", "a=1e999", "é=1", "a b=1"]
)
def test_what_cannot_be_read_is_passed_over(said):
    assert steps_in({STEPS: f"{said},ok=1"}) == {"ok": 1}


def test_only_so_many_steps_are_read():
    said = ",".join(f"s{number}=1" for number in range(MOST * 10))
    assert len(steps_in({STEPS: said})) == MOST


def test_the_header_comes_through_the_model_server_too():
    assert answer_of(200, {"X-Mme-Steps": "a=1", "X-Mme-Other": "b"}, b"").headers == {STEPS: "a=1"}


def test_steps_are_counted_by_target_and_name():
    spent = Spent()
    spent.stepped("m", {"a": 1.0, "b": 2.0})
    spent.stepped("m", {"a": 3.0})
    assert (spent.steps["m", "a"].count, spent.steps["m", "a"].total_s) == (2, 4.0)
    assert spent.steps["m", "b"].count == 1


def test_only_so_many_steps_are_counted():
    spent = Spent()
    for number in range(MOST_STEPS + 1):
        spent.stepped(f"m{number}", {"a": 1.0})
    assert len(spent.steps) == MOST_STEPS
