"""Ensembles: requests and answers, what steps pass on, failures, limits."""

from __future__ import annotations

import json
import logging
import time

import pytest

from models.Ensemble.graph import check_kinds, in_order
from models.Ensemble.model import EnsembleModel
from models.Ensemble.reading import read_definition
from models.Ensemble.running import MAX_REQUESTS
from models.Ensemble.values import MAX_BYTES
from models.errors import BadInput, InternalError, NoRoom, ServingError, UnsupportedContentType
from models.serving import Needs, Request, Response

JSON = "application/json"


class Member:
    """Answers by a function of the body as text; keeps what it was sent."""

    def __init__(self, answer=lambda text: text, content_type=JSON, needs=None):
        self.requests = []
        self._answer, self._content_type = answer, content_type
        self._needs = needs or Needs()

    def predict(self, request):
        self.requests.append(request)
        return Response(self._content_type, self._answer(request.body.decode()))

    def describe(self):
        return {"family": "Member"}

    def needs(self):
        return self._needs


@pytest.fixture
def made(tmp_path):
    """Makes an ensemble of steps; by default of one text, `text`, and with `answer` as output."""

    def make(steps, members=(), inputs=None, outputs=None):
        said = {
            "inputs": {"text": {"type": "string"}} if inputs is None else inputs,
            "steps": steps,
            "outputs": outputs or {"answer": {"value": "$answer"}},
        }
        (tmp_path / "ensemble.json").write_text(json.dumps(said))
        definition = read_definition(tmp_path)
        order = in_order(definition)
        check_kinds(definition, order, dict(members))
        return EnsembleModel(definition, order, dict(members))

    return make


def ask(model, body, content_type=JSON):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return json.loads(model.predict(Request(content_type, None, raw)).body)


def asks(request, **more):
    return {"model": "one", "request": request, **more}


# ---- requests


def test_a_text_alone_is_the_one_input_that_is_required(made):
    inputs = {"text": {"type": "string"}, "end": {"type": "string", "default": "!"}}
    model = made({"answer": {"text": ["$text", "$end"], "separator": ""}}, inputs=inputs)
    assert ask(model, "Grüße".encode(), "text/plain") == {"answer": "Grüße!"}
    assert ask(model, {"text": "a", "end": "?"}) == {"answer": "a?"}


def test_a_text_alone_is_not_understood_where_more_is_required(made):
    inputs = {"text": {"type": "string"}, "end": {"type": "string"}}
    model = made({"answer": {"text": ["$text", "$end"]}}, inputs=inputs)
    with pytest.raises(UnsupportedContentType, match=r"understood: application/json$"):
        ask(model, b"a", "text/plain")


@pytest.mark.hostile("requests to models")
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "not JSON"),
        (b"[1]", r"must be an object, not \[1\]"),
        (b"{}", '"text" is missing'),
        (b'{"text": 1}', "text is 1, not a string"),
        (b'{"text": null}', "text is None, not a string"),
        (b'{"text": "a", "words": ["b", 2]}', "words /1 is 2, not a string"),
        (b'{"text": "a", "texts": 1}', "Unknown key 'texts'; known keys: text, words, trace"),
        (b'{"text": "a", "trace": 1}', "trace must be true or false, not 1"),
        (b'{"text": "\\ud800"}', r"The request holds U\+D800 in"),
        (b'{"text": "a", "words": ' + b"[" * 5000 + b"]" * 5000 + b"}", "nested too deeply|words "),
    ],
)  # fmt: skip
def test_a_request_that_does_not_fit_the_inputs_is_refused(made, body, message):
    inputs = {"text": {"type": "string"}, "words": {"type": ["string"], "default": []}}
    model = made({"answer": {"text": ["$text", "$words"]}}, inputs=inputs)
    with pytest.raises(BadInput, match=message):
        ask(model, body)


def test_an_input_whose_default_is_null_may_be_left_out_or_null(made):
    inputs = {"text": {"type": "string", "default": None}}
    model = made({"answer": {"value": ["$text"]}}, inputs=inputs)
    assert ask(model, {}) == ask(model, {"text": None}) == {"answer": [None]}


# ---- what steps pass on


def test_a_member_is_asked_in_the_form_its_step_says(made):
    member = Member(lambda _: "a,b", "text/csv")
    rows = [["$text", "x"], ["$text", "y"]]
    steps = {"answer": asks(rows, content_type="text/csv", accept="text/csv")}
    assert ask(made(steps, {"one": member}), {"text": "a"}) == {"answer": "a,b"}
    (request,) = member.requests
    assert (request.content_type, request.accept) == ("text/csv", "text/csv")
    assert request.body == b"a,x\na,y\n"


def test_a_text_goes_to_a_member_as_it_is(made):
    member = Member(lambda text: json.dumps([text]))
    model = made({"answer": asks("$text", content_type="text/plain")}, {"one": member})
    assert ask(model, {"text": "Straße, 5 €"}) == {"answer": ["Straße, 5 €"]}


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("$m/0/id", "a"),
        ("$m/*/id", ["a", "b"]),
        ("$m/1/tags/*/x?", None),
        ("$m/*/tags/0?", ["t", None]),
        ("$m/7?", None),
        ({"k": ["$m/1/id", 1, None], "c": "$$m"}, {"k": ["b", 1, None], "c": "$m"}),
        ("$m/0/a~1b", 5),
    ],
)
def test_references_lead_into_values(made, template, value):
    steps = {
        "m": {"value": [{"id": "a", "tags": ["t"], "a/b": 5}, {"id": "b", "note": "$text"}]},
        "answer": {"value": template},
    }
    assert ask(made(steps), {"text": ""}) == {"answer": value}


def test_a_value_that_is_not_there_names_step_reference_and_what_is_there(made):
    steps = {"one": asks("$text"), "answer": {"value": "$one/matches/0"}}
    model = made(steps, {"one": Member(lambda _: '{"found": []}')})
    with pytest.raises(
        ServingError, match=r"Step answer: There is no 'matches' for \$one/matches/0.*found"
    ) as raised:
        ask(model, {"text": "a"})
    assert raised.value.status_code == 500


def test_what_is_not_there_in_the_request_is_the_caller_s_fault(made):
    model = made({"answer": {"value": "$words/0"}}, inputs={"words": {"type": ["string"]}})
    with pytest.raises(ServingError, match="Step answer: There is no '0'") as raised:
        ask(model, {"words": []})
    assert raised.value.status_code == 400


def test_lists_are_gone_through_side_by_side(made):
    steps = {
        "answer": {
            "each": {"a": "$l/*/x", "b": "$l/*/y", "n": "$none"},
            "value": ["$a", "$b", "$n"],
        },
        "none": {"when": "$never", "value": ["$text"]},
    }
    inputs = {"l": {"type": "list"}, "never": {"type": "boolean"}, "text": {"type": "any"}}
    sent = {"l": [{"x": 1, "y": 2}, {"x": 3, "y": 4}], "never": False, "text": 1}
    assert ask(made(steps, inputs=inputs), sent) == {"answer": [[1, 2, None], [3, 4, None]]}


@pytest.mark.parametrize(
    ("l", "r", "message"),
    [
        (
            [1],
            [1, 2],
            r"the lists of each have different numbers of items: \$l has 1 and \$r has 2",
        ),
        ([1], "ab", r"\$r is 'ab', not a list"),
        ([1], 5, r"\$r is 5, not a list"),
        ([0] * 10_001, [], r"\$l has 10001 items; at most 10000"),
    ],
)
def test_lists_that_do_not_fit_each_other_are_refused(made, l, r, message):  # noqa: E741
    steps = {"answer": {"each": {"a": "$l", "b": "$r"}, "value": ["$a", "$b"]}}
    model = made(steps, inputs={"l": {"type": "list"}, "r": {"type": "any"}})
    with pytest.raises(ServingError, match=f"Step answer: {message}") as raised:
        ask(model, {"l": l, "r": r})
    assert raised.value.status_code == 400


def test_a_member_is_asked_for_each_item(made):
    member = Member(lambda text: json.dumps(text.upper()))
    steps = {"answer": asks("$word", content_type="text/plain", each={"word": "$words"})}
    model = made(steps, {"one": member}, inputs={"words": {"type": ["string"]}})
    assert ask(model, {"words": ["a", "b"]}) == {"answer": ["A", "B"]}
    with pytest.raises(ServingError, match=f"ask {MAX_REQUESTS + 1} times; at most {MAX_REQUESTS}"):
        ask(model, {"words": ["a"] * (MAX_REQUESTS + 1)})


def test_texts_of_lists_are_joined_without_blank_ones(made):
    steps = {"answer": {"text": ["$text", "$words", 5], "separator": "; "}}
    model = made(steps, inputs={"text": {"type": "any"}, "words": {"type": "list"}})
    sent = {"text": "a", "words": ["b", ["c", None], " "]}
    assert ask(model, sent) == {"answer": "a; b; c; 5"}
    with pytest.raises(ServingError, match="text takes texts and lists of them, not True"):
        ask(model, sent | {"text": True})


RANKED = [{"n": 1, "s": 0.5}, {"n": 3, "s": 0.4}, {"n": None, "s": 0.9}, {"n": 2, "s": 0.7}]


@pytest.mark.parametrize(
    ("how", "places"),
    [
        ({"by": "n"}, [1, 3, 0, 2]),
        ({"by": "n", "order": "ascending"}, [0, 3, 1, 2]),
        ({"by": "n", "top": 2}, [1, 3]),
        ({"by": "n", "least": 2}, [1, 3]),
        ({"by": ["n", "s"]}, [3, 1, 2, 0]),
        ({"by": "x?"}, [0, 1, 2, 3]),
    ],
)
def test_lists_are_ranked(made, how, places):
    model = made({"answer": {"rank": "$l", **how}}, inputs={"l": {"type": "list"}})
    assert ask(model, {"l": RANKED}) == {"answer": [RANKED[place] for place in places]}


@pytest.mark.parametrize("top", [-1, 1.5, "a", True])
def test_a_number_of_items_that_is_none_is_the_caller_s_fault(made, top):
    steps = {"answer": {"rank": "$l", "by": "n", "top": "$top"}}
    model = made(steps, inputs={"l": {"type": "list"}, "top": {"type": "any"}})
    with pytest.raises(ServingError, match="Step answer: top takes a whole number") as raised:
        ask(model, {"l": RANKED, "top": top})
    assert (raised.value.status_code, raised.value.type) == (400, "BadInput")


# ---- steps that are left out, and failures


def test_a_step_is_left_out_where_its_condition_is_false_or_null(made):
    member = Member(lambda _: '"asked"')
    steps = {"answer": asks("$text", when="$wanted", otherwise="not asked")}
    inputs = {"text": {"type": "string"}, "wanted": {"type": "any"}}
    model = made(steps, {"one": member}, inputs=inputs)
    found = [ask(model, {"text": "a", "wanted": each}) for each in (False, None, True, 0)]
    assert [each["answer"] for each in found] == ["not asked", "not asked", "asked", "asked"]
    assert len(member.requests) == 2


def test_a_failing_step_is_named_and_keeps_status_and_type(made):
    def refuse(text):
        raise BadInput(f"no such {text}")

    model = made({"answer": asks("$text")}, {"one": Member(refuse)})
    with pytest.raises(ServingError, match=r'^Step answer: no such "a"$') as raised:
        ask(model, {"text": "a"})
    assert (raised.value.status_code, raised.value.type) == (400, "BadInput")


def test_an_optional_step_that_fails_has_its_other_value(made):
    def refuse(_):
        raise BadInput("not today")

    model = made({"answer": asks("$text", optional=True, otherwise=[])}, {"one": Member(refuse)})
    found = ask(model, {"text": "a", "trace": True})
    assert found["answer"] == []
    (step,) = found["trace"]["steps"]
    assert step["failure"] == "not today"


def test_a_want_of_memory_is_told_even_of_an_optional_step(made):
    def refuse(_):
        raise MemoryError

    model = made({"answer": asks("$text", optional=True)}, {"one": Member(refuse)})
    with pytest.raises(NoRoom, match="Step answer: there is not enough memory"):
        ask(model, {"text": "a"})


def test_an_unforeseen_error_names_the_step_and_no_more(made):
    def fail(_):
        raise KeyError("internals")

    model = made({"answer": asks("$text")}, {"one": Member(fail)})
    with pytest.raises(InternalError, match="Step answer: an unexpected KeyError") as raised:
        ask(model, {"text": "a"})
    assert "internals" not in raised.value.message


def test_an_answer_of_another_type_than_declared_is_an_error(made):
    steps = {"answer": asks("$text", type={"matches": [{"id": "string"}]})}
    model = made(steps, {"one": Member(lambda _: '{"matches": [{"id": "a"}, {"id": 2}]}')})
    with pytest.raises(ServingError, match="Step answer: its value /matches/1/id is 2, not a str"):
        ask(model, {"text": "a"})


def test_an_output_of_another_type_than_declared_is_an_error(made):
    outputs = {"answer": {"value": "$answer", "type": "integer"}}
    model = made({"answer": asks("$text")}, {"one": Member()}, outputs=outputs)
    with pytest.raises(ServingError, match="Output answer is 'a', not an integer"):
        ask(model, {"text": "a"})


# ---- limits


@pytest.mark.hostile("requests to models")
def test_what_goes_between_steps_is_bounded(made):
    member = Member(lambda text: text)
    model = made({"one": asks("$text"), "answer": asks("$one")}, {"one": member})
    with pytest.raises(ServingError, match="larger than 5242880 bytes") as raised:
        ask(model, {"text": "a" * MAX_BYTES})
    assert raised.value.status_code == 413
    model = made({"answer": asks("$text")}, {"one": Member(lambda _: '"' + "b" * MAX_BYTES + '"')})
    with pytest.raises(ServingError, match="Step answer: The answer is larger than") as raised:
        ask(model, {"text": "a"})
    assert raised.value.status_code == 413


@pytest.mark.hostile("requests to models")
def test_steps_that_double_what_they_take_end_at_the_bound(made):
    steps = {"s0": {"value": ["$text", "$text"]}}
    steps |= {f"s{n}": {"value": [f"$s{n - 1}", f"$s{n - 1}"]} for n in range(1, 60)}
    model = made(steps | {"answer": {"value": "$s59"}})
    began_s = time.process_time()
    with pytest.raises(ServingError, match=r"Step s\d+: Its value is larger than") as raised:
        ask(model, {"text": "a" * 1000})
    assert raised.value.status_code == 413
    assert time.process_time() - began_s < 5


# ---- what is told


def test_a_trace_tells_each_step_s_milliseconds(made, caplog):
    members = {"one": Member(lambda text: text)}
    model = made({"one": asks("$text"), "answer": {"value": "$one", "when": "$one"}}, members)
    with caplog.at_level(logging.DEBUG, "models.Ensemble"):
        found = ask(model, {"text": "a", "trace": True})
    first, second = found["trace"]["steps"]
    assert (first["step"], first["model"], second["step"]) == ("one", "one", "answer")
    assert 0 <= first["ms"] + second["ms"] <= found["trace"]["ms"] + 0.01
    assert "trace" not in ask(model, {"text": "a"})
    assert [record.getMessage().split(" took")[0] for record in caplog.records] == [
        "step one", "step answer"
    ]  # fmt: skip


def test_an_ensemble_needs_what_its_members_need_together(made):
    steps = {"a": {"model": "a", "request": "$text"}, "answer": {"model": "b", "request": "$a"}}

    def needs(*each):
        return made(steps, {k: Member(needs=n) for k, n in zip("ab", each, strict=True)}).needs()

    assert needs(Needs(), Needs()) == Needs()
    assert needs(Needs(pipeline="de"), Needs(pipeline="de")) == Needs(pipeline="de")
    assert needs(Needs(pipeline="embedding:x"), Needs(pipeline="de")).pipeline == "de+embedding:x"
    assert needs(Needs(is_data=False), Needs()) == Needs(is_data=False)
