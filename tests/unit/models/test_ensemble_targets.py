"""Ensembles: steps that ask other target models, as far as a worker sees them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from models.elsewhere import ANSWERS, ASKS, MAY_ASK
from models.Ensemble.graph import check_kinds, in_order
from models.Ensemble.model import EnsembleModel
from models.Ensemble.reading import read_definition
from models.errors import ServingError, UnsupportedContentType
from models.serving import Request

STEPS: dict[str, dict[str, Any]] = {
    "loud": {"text": ["$text", "!"], "separator": ""},
    "one": {"target": "de/One.tar.gz", "request": {"text": "$loud"}},
    "two": {"target": "Two.tar.gz", "request": "$text", "content_type": "text/plain"},
    "three": {"target": "Three.tar.gz", "request": ["$one", "$two"], "when": "$two"},
}


@pytest.fixture
def made(tmp_path):
    def make(steps=STEPS, output="$three"):
        said = {
            "inputs": {"text": {"type": "string"}},
            "steps": steps,
            "outputs": {"answer": {"value": output}},
        }
        (tmp_path / "ensemble.json").write_text(json.dumps(said))
        definition = read_definition(tmp_path)
        order = in_order(definition)
        check_kinds(definition, order, {})
        return EnsembleModel(definition, order, {})

    return make


def ask(model, body, content_type="application/json", headers=None):
    headers = {MAY_ASK: "1"} if headers is None else headers
    request = Request(content_type, None, json.dumps(body).encode(), headers=headers)
    response = model.predict(request)
    return response.content_type, json.loads(response.body)


def answers(said, *given):
    """The request that goes on: an answer in JSON, or (status, body), for each ask."""
    told = []
    for asked, each in zip(said["asks"], given, strict=True):
        status, body = each if isinstance(each, tuple) else (200, each)
        answer = {"status": status, "content_type": "application/json", "body": json.dumps(body)}
        told.append({"step": asked["step"], "seconds": 0.25} | answer)
    return {"state": said["state"], "answers": told}


def test_steps_that_wait_for_nothing_are_asked_side_by_side(made):
    kind, said = ask(made(), {"text": "a"})
    assert kind == ASKS
    types = {"content_type": "application/json", "accept": "application/json"}
    assert sorted(said["asks"], key=lambda each: each["step"]) == [
        {"step": "one", "target": "de/One.tar.gz", **types, "body": '{"text": "a!"}'},
        {"step": "two", "target": "Two.tar.gz", **types, "content_type": "text/plain", "body": "a"},
    ]


def test_an_ensemble_goes_on_with_the_answers_to_its_outputs(made):
    model = made()
    _, said = ask(model, {"text": "a", "trace": True})
    given = {"one": [1], "two": "b"}
    kind, said = ask(model, answers(said, *(given[x["step"]] for x in said["asks"])), ANSWERS)
    assert kind == ASKS
    assert [(each["step"], each["body"]) for each in said["asks"]] == [("three", '[[1], "b"]')]
    kind, said = ask(model, answers(said, {"c": 1}), ANSWERS)
    assert kind == "application/json"
    assert said["answer"] == {"c": 1}
    steps = {each["step"]: each for each in said["trace"]["steps"]}
    assert steps.keys() == STEPS.keys()
    assert steps["three"]["target"] == "Three.tar.gz"
    assert steps["three"]["ms"] >= 250


def test_a_step_that_is_left_out_asks_nobody(made):
    model = made()
    _, said = ask(model, {"text": "a"})
    kind, said = ask(model, answers(said, None, None), ANSWERS)
    assert (kind, said) == ("application/json", {"answer": None})


def test_an_error_of_a_target_model_is_the_step_s(made):
    model = made()
    _, said = ask(model, {"text": "a"})
    with pytest.raises(ServingError, match=r"Step \w+: .*tar.gz answered 400: too long") as raised:
        ask(model, answers(said, (400, {"message": "too long"}), 1), ANSWERS)
    assert raised.value.status_code == 400


def test_an_optional_step_may_get_an_error(made):
    one = STEPS["one"] | {"optional": True, "otherwise": "none"}
    model = made({"one": one | {"request": "$text"}}, "$one")
    _, said = ask(model, {"text": "a"})
    assert ask(model, answers(said, (500, "broken")), ANSWERS)[1] == {"answer": "none"}


def test_where_nobody_asks_the_step_fails_by_name(made):
    with pytest.raises(ServingError, match=r"Step \w+: it asks the target model") as raised:
        ask(made(), {"text": "a"}, headers={})
    assert raised.value.status_code == 501


def test_only_the_server_itself_may_have_an_ensemble_go_on(made):
    model = made()
    _, said = ask(model, {"text": "a"})
    with pytest.raises(UnsupportedContentType):
        ask(model, answers(said, 1, 2), ANSWERS, headers={})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"state": {}}, "nothing to go on with"),
        ({"answers": [1]}, "nothing to go on with"),
        ({"answers": [{"step": "four"}]}, "'four' is no step that waits for an answer"),
        ({"answers": [{"step": "loud"}]}, "'loud' is no step that waits"),
        ({"answers": [{"step": "one"}]}, "Step one: An answer has a status and a body"),
    ],
)
def test_what_does_not_belong_together_is_refused(made, change, message):
    model = made()
    _, said = ask(model, {"text": "a"})
    with pytest.raises(ServingError, match=message):
        ask(model, answers(said, 1, 2) | change, ANSWERS)


def test_the_targets_are_told(made):
    told = made().describe()
    assert told["targets"] == ["de/One.tar.gz", "Two.tar.gz", "Three.tar.gz"]
    assert {"step": "two", "target": "Two.tar.gz", "after": ["text"]} in told["steps"]
