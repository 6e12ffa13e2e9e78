"""Ensembles that mean harm: files and steps that would take more than they have."""

from __future__ import annotations

import json
import time

import pytest

from models.elsewhere import MAY_ASK
from models.Ensemble.graph import check_kinds, in_order
from models.Ensemble.model import EnsembleModel
from models.Ensemble.reading import MOST_LISTS, MOST_REFERENCES, read_definition
from models.errors import ArtifactError, ServingError
from models.serving import Needs, Request, Response

hostile = pytest.mark.hostile("artifacts")
JSON = "application/json"


class Member:
    """Answers that it was asked; keeps what it was sent."""

    def __init__(self):
        self.bodies = []

    def predict(self, request):
        self.bodies.append(request.body)
        return Response(JSON, "1")

    def describe(self):
        return {"family": "Member"}

    def needs(self):
        return Needs()


@pytest.fixture
def made(tmp_path):
    def make(steps, outputs=None, *, inputs=None):
        said = {
            "inputs": inputs or {"text": {"type": "string"}},
            "steps": steps,
            "outputs": outputs or {"answer": {"value": "$answer"}},
        }
        (tmp_path / "ensemble.json").write_text(json.dumps(said))
        definition, members = read_definition(tmp_path), {"one": Member()}
        order = in_order(definition)
        check_kinds(definition, order, members)
        return EnsembleModel(definition, order, members)

    return make


def refusal(model, body) -> ServingError:
    """Its error, which came soon."""
    request = Request(JSON, None, json.dumps(body).encode(), headers={MAY_ASK: "1"})
    began_s = time.process_time()
    with pytest.raises(ServingError) as caught:
        model.predict(request)
    assert time.process_time() - began_s < 10
    return caught.value


MANY = ["$text"] * 900


@hostile
@pytest.mark.parametrize(
    "step",
    [
        {"model": "one", "request": MANY},
        {"model": "one", "request": ["$lists/*"] * 900},
        {"target": "b", "request": MANY},
        {"text": MANY},
        {"text": "$text", "separator": "b" * 10_000},
        {"value": MANY},
    ],
    ids=["request", "lists", "target", "text", "separator", "value"],
)
def test_a_step_that_repeats_what_it_takes_ends_at_the_bound(made, step):
    inputs = {"text": {"type": "any"}, "lists": {"type": "any", "default": [[10**12] * 500] * 100}}
    taken = {"value": ["$text", "$lists"]}
    model = made(
        {"taken": taken, "answer": step},
        {"answer": {"value": ["$taken", "$answer"]}},
        inputs=inputs,
    )
    text = ["x" * 1000] * 1000 if "separator" in step else "x" * 2**20
    error = refusal(model, {"text": text})
    assert error.status_code == 413
    assert error.message.startswith("Step answer: ")
    assert error.message.endswith("the most between two steps")


@hostile
def test_an_output_that_repeats_what_it_takes_ends_at_the_bound(made):
    model = made({"answer": {"value": "$text"}}, {"answer": {"value": ["$answer"] * 900}})
    error = refusal(model, {"text": "x" * 2**20})
    assert (error.status_code, error.message[:24]) == (413, "Output answer is larger ")


@hostile
def test_types_that_double_at_each_step_are_checked_in_no_time(made):
    def doubled(name):
        steps = {f"{name}0": {"value": {"a": "$text"}}}
        return steps | {
            f"{name}{n}": {"value": {"a": f"${name}{n - 1}", "b": f"${name}{n - 1}"}}
            for n in range(1, 30)
        }

    began_s = time.process_time()
    last = {"value": ["$s29", "$t29"]}
    made(doubled("s") | doubled("t") | {"answer": last})
    with pytest.raises(ArtifactError, match="step answer: text takes texts") as error:
        made(doubled("s") | doubled("t") | {"last": last, "answer": {"text": "$last"}})
    assert len(error.value.reason) < 1000
    assert time.process_time() - began_s < 5


@hostile
def test_a_value_may_have_only_so_many_references(made):
    made({"answer": {"value": ["$text"] * MOST_REFERENCES}})
    with pytest.raises(ArtifactError, match="step answer has 1001 references; at most 1000"):
        made({"answer": {"value": [["$text"]] * (MOST_REFERENCES + 1)}})


@hostile
def test_a_step_goes_through_and_ranks_by_only_so_many_lists(made):
    each = {f"a{n}": "$text" for n in range(MOST_LISTS + 1)}
    with pytest.raises(ArtifactError, match="step answer: each has 17 lists; at most 16"):
        made({"answer": {"each": each, "value": "$a1"}})
    with pytest.raises(ArtifactError, match="step answer: by has 17 paths; at most 16"):
        made({"answer": {"rank": "$text", "by": ["a"] * (MOST_LISTS + 1)}})
