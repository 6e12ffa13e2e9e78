"""Ensembles whose steps ask other target models: real ensembles, models that are functions."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from mme.core.answer import Answer
from mme.core.errors import Busy, LoadFailed, ModelFailed, ModelTimedOut, TargetNotFound
from mme.core.terms import Terms
from mme.core.through_mms import MAY_ASK
from mme.core.timing import Timing
from mme.pipelines import ensembles
from mme.pipelines.ensembles import Ensembles
from models import elsewhere
from models.Ensemble.graph import check_kinds, in_order
from models.Ensemble.model import EnsembleModel
from models.Ensemble.reading import read_definition
from models.errors import ServingError
from models.serving import Request

JSON = {"Content-Type": "application/json"}
STEPS: dict[str, Any] = {
    "one": {"target": "One", "request": "$text"},
    "two": {"target": "Two", "request": "$text"},
    "three": {"target": "Three", "request": ["$one", "$two"]},
}


class Models:
    """By target: an ensemble, or what answers the value of a body."""

    def __init__(self):
        self.known = {}
        self.asked = []
        self.running = self.most_running = 0
        self.ensembles = Ensembles(self._invoke, self.invoke, self.declared, 5)

    async def invoke(self, target, headers, body, terms):
        return await self.ensembles.invoke(target, headers, body, terms)

    def declared(self, target):
        if target not in self.known:
            return None
        model = self.known[target]
        return model.describe()["targets"] if isinstance(model, EnsembleModel) else ()

    async def _invoke(self, target, headers, body, terms):
        self.asked.append((target, dict(headers), body, terms))
        if target not in self.known:
            raise TargetNotFound(target, f"store/{target}")
        model = self.known[target]
        if not isinstance(model, EnsembleModel):
            self.running += 1
            self.most_running = max(self.running, self.most_running)
            await asyncio.sleep(0)
            self.running -= 1
            status, said = model(json.loads(body))
            return answer(status, "application/json", json.dumps(said), str(id(model)))
        received = {name.lower(): value for name, value in headers.items()}
        received |= {MAY_ASK.lower(): "1"} if terms.may_ask else {}
        try:
            found = model.predict(
                Request(received.get("content-type"), None, body, headers=received)
            )
        except ServingError as error:
            return answer(
                error.status_code,
                "application/json",
                json.dumps({"message": str(error)}),
                str(id(model)),
            )
        return answer(200, found.content_type, found.body, str(id(model)))


def answer(status, content_type, body, version=""):
    return Answer(
        status, {"content-type": content_type}, body.encode(), cold=False, version=version,
        timing=Timing(),
    )  # fmt: skip


@pytest.fixture
def models():
    found = Models()
    found.known |= {name: lambda value: (200, [value]) for name in ("One", "Two", "Three")}
    return found


@pytest.fixture
def ensemble(tmp_path):
    def make(steps, output):
        said = {
            "inputs": {"text": {"type": "any"}},
            "steps": steps,
            "outputs": {"answer": {"value": output}},
        }
        (tmp_path / "ensemble.json").write_text(json.dumps(said))
        definition = read_definition(tmp_path)
        order = in_order(definition)
        check_kinds(definition, order, {})
        return EnsembleModel(definition, order, {})

    return make


async def ask(models, target, body, **terms):
    found = await models.invoke(target, JSON, json.dumps(body).encode(), Terms(**terms))
    return found.status, json.loads(found.body)


def test_both_sides_have_the_same_words():
    assert (ensembles.ASKS, ensembles.ANSWERS) == (elsewhere.ASKS, elsewhere.ANSWERS)
    assert MAY_ASK.lower() == elsewhere.MAY_ASK


async def test_steps_ask_target_models_side_by_side_where_they_can(models, ensemble):
    models.known["E"] = ensemble(STEPS, "$three")
    assert await ask(models, "E", {"text": "a"}) == (200, {"answer": [[["a"], ["a"]]]})
    assert [each[0] for each in models.asked] == ["E", "One", "Two", "E", "Three", "E"]
    assert models.most_running == 2


async def test_targets_are_seen_from_the_ensemble_s_own_folder(models, ensemble):
    models.known = {"de/x/E": ensemble({"a": {"target": "y/One", "request": 1}, "t": TEXT}, BOTH)}
    models.known["de/x/y/One"] = lambda value: (200, value)
    assert (await ask(models, "de/x/E", {"text": "a"}))[1] == {"answer": [1, "a"]}


TEXT, BOTH = {"text": "$text"}, ["$a", "$t"]


async def test_what_asks_nobody_goes_through_as_it_is(models):
    assert await ask(models, "One", 5) == (200, [5])
    assert len(models.asked) == 1


async def test_a_target_s_error_is_the_step_s_with_its_status(models, ensemble):
    models.known["One"] = lambda _: (413, {"message": "too much"})
    models.known["E"] = ensemble(STEPS, "$three")
    status, said = await ask(models, "E", {"text": "a"})
    assert (status, said["message"]) == (413, "Step one: One answered 413: too much")


async def test_a_target_that_is_not_there_is_named_with_its_step(models, ensemble):
    del models.known["Two"]
    models.known["E"] = ensemble(STEPS, "$three")
    with pytest.raises(ModelFailed, match=r"Step two: .*Two"):
        await ask(models, "E", {"text": "a"})


async def test_an_error_that_says_when_to_try_again_stays_what_it_is(models, ensemble):
    def busy(_):
        raise Busy("One", 1)

    models.known |= {"One": busy, "E": ensemble(STEPS, "$three")}
    with pytest.raises(Busy):
        await ask(models, "E", {"text": "a"})


async def test_ensembles_may_ask_for_each_other_but_not_without_end(models, ensemble):
    models.known["Inner"] = ensemble({"a": {"target": "One", "request": "$text"}}, "$a")
    inner = {"a": {"target": "Inner", "request": {"text": "$text"}}}
    models.known["E"] = ensemble(inner, "$a/answer")
    assert await ask(models, "E", {"text": 1}) == (200, {"answer": [1]})
    models.known["Inner"] = models.known["E"]
    with pytest.raises(ModelFailed, match="more than 4 ensembles ask for each other"):
        await ask(models, "E", {"text": 1})


async def test_all_steps_together_have_the_time_of_one_request(models, ensemble):
    models.known["E"] = ensemble(STEPS, "$three")
    await ask(models, "E", {"text": "a"}, timeout_s=3.0)
    left = [each[3].timeout_s for each in models.asked]
    assert left == sorted(left, reverse=True)
    assert left[-1] < left[0] == 3.0
    with pytest.raises(ModelTimedOut):
        await ask(models, "E", {"text": "a"}, timeout_s=1e-9)


@pytest.mark.hostile("isolation")
async def test_what_ensembles_ask_on_behalf_of_one_request_is_bounded_together(models, ensemble):
    steps = {f"s{n}": {"target": "One", "request": "$text"} for n in range(20)}
    models.known["E"] = ensemble(steps, [f"$s{n}" for n in range(20)])
    assert (await ask(models, "E", {"text": 1}))[1] == {"answer": [[1]] * 20}
    models.known["E"] = ensemble(
        {
            name: each | {"target": "E", "request": {"text": "$text"}}
            for name, each in steps.items()
        },
        [f"$s{n}" for n in range(20)],
    )
    models.asked.clear()
    with pytest.raises(ModelFailed, match="it and those it asks have asked others 256 times"):
        await ask(models, "E", {"text": 1})
    assert len(models.asked) < 600


@pytest.mark.hostile("isolation")
async def test_ensembles_ask_one_model_only_so_often_at_once(models, ensemble):
    names = [f"s{n}" for n in range(40)]
    steps = {name: {"target": "One", "request": "$text"} for name in names}
    models.known["E"] = ensemble(steps, [f"${name}" for name in names])
    answers = await asyncio.gather(*(ask(models, "E", {"text": n}) for n in range(3)))
    assert answers == [(200, {"answer": [[n]] * 40}) for n in range(3)]
    assert models.most_running == ensembles.MOST_AT_ONCE
    assert len(models.ensembles._slots) == 0


async def test_a_step_that_takes_too_long_is_named(models, ensemble):
    def late(_):
        raise ModelTimedOut("One", 1)

    models.known |= {"One": late, "E": ensemble(STEPS, "$three")}
    with pytest.raises(ModelTimedOut) as caught:
        await ask(models, "E", {"text": "a"})
    assert caught.value.body == "Step one: One did not answer in the time that was left"


async def test_a_target_that_does_not_load_is_the_step_s_with_its_status(models, ensemble):
    def unloadable(_):
        raise LoadFailed("One", 507, "no room")

    models.known |= {"One": unloadable, "E": ensemble(STEPS, "$three")}
    with pytest.raises(ModelFailed, match=r"Step one: .*no room") as caught:
        await ask(models, "E", {"text": "a"})
    assert caught.value.status == 507


@pytest.mark.hostile("isolation")
async def test_what_is_held_of_answers_is_bounded_together(models, ensemble):
    models.known["One"] = lambda _: (200, "a" * 5_000_000)
    steps = {f"s{n}": {"target": "One", "request": "$text"} for n in range(5)}
    models.known["E"] = ensemble(steps, [f"$s{n}" for n in range(5)])
    with pytest.raises(ModelFailed, match="its steps give more than 20971520 bytes"):
        await ask(models, "E", {"text": 1})


async def test_an_ensemble_that_changes_in_between_is_asked_from_the_start(models, ensemble):
    other = ensemble({"two": {"target": "Two", "request": ["$text", 2]}}, "$two")

    def replacing(value):
        models.known["E"] = other
        return 200, value

    models.known |= {"One": replacing, "E": ensemble(STEPS, "$three")}
    assert await ask(models, "E", {"text": "a"}) == (200, {"answer": [["a", 2]]})

    models.known |= {"E": ensemble(STEPS, "$three")}
    other = lambda value: (200, {"no": "ensemble"})  # noqa: E731
    assert await ask(models, "E", {"text": "a"}) == (200, {"no": "ensemble"})


async def test_an_ensemble_that_changes_again_and_again_is_an_error(models, ensemble):
    def replacing(_):
        models.known["E"] = ensemble(STEPS, "$three")
        return 200, 1

    models.known |= {"One": replacing, "E": ensemble(STEPS, "$three")}
    with pytest.raises(ModelFailed, match="its artifact is changed again and again"):
        await ask(models, "E", {"text": "a"})


@pytest.mark.hostile("requests to models")
async def test_a_caller_cannot_have_an_ensemble_go_on(models, ensemble):
    models.known["E"] = ensemble(STEPS, "$three")
    body = {"state": {"values": {}, "how": {}}, "answers": []}
    for name in (elsewhere.ANSWERS, elsewhere.ANSWERS.upper() + "; a=b"):
        found = await models.invoke("E", {"content-TYPE": name}, json.dumps(body).encode(), Terms())
        assert found.status == 415


@pytest.mark.hostile("isolation")
async def test_an_answer_that_asks_for_what_its_artifact_does_not_name_is_refused(models):
    async def invoke(target, headers, body, terms):
        asked = {"step": "a", "target": "One", "content_type": "", "accept": "", "body": ""}
        return answer(200, elsewhere.ASKS, json.dumps({"asks": [asked], "state": {}}))

    asking = Ensembles(invoke, models.invoke, lambda _: ["Two"], 5)
    with pytest.raises(ModelFailed, match="'One', which its artifact does not name"):
        await asking.invoke("Script", JSON, b"", Terms())
    assert models.asked == []


@pytest.mark.parametrize(
    "said", ["{", "[]", '{"asks": [], "state": 1}', '{"asks": [1], "state": 1}']
)
async def test_what_cannot_be_read_is_an_error(models, said):
    async def invoke(target, headers, body, terms):
        return answer(200, elsewhere.ASKS, said)

    asking = Ensembles(invoke, models.invoke, lambda _: ["One"], 5)
    with pytest.raises(ModelFailed, match="what it asks of others cannot be read"):
        await asking.invoke("Script", JSON, b"", Terms())
