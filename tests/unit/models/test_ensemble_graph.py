"""Ensembles: which graphs are refused when an artifact is admitted, and in which words."""

from __future__ import annotations

import copy
import json
import shutil
from typing import Any

import pytest

from models.Ensemble.reading import MAX_MEMBERS, MAX_STEPS
from models.errors import ArtifactError
from models.registry import find_family, load_model

GOOD: dict[str, Any] = {
    "inputs": {"claim": {"type": "string"}, "top_k": {"type": "integer", "default": 3}},
    "steps": {
        "search": {
            "model": "search",
            "request": {"claim": "$claim", "top_k": "$top_k"},
            "type": {"matches": [{"id": "string", "claim_text": "string", "note?": "string"}]},
        },
        "ranked": {"rank": "$search/matches", "by": "id", "order": "ascending"},
    },
    "outputs": {"ids": {"value": "$ranked/*/id", "type": ["string"]}},
}


@pytest.fixture
def folder(tmp_path, trained):
    shutil.copytree(trained["Search"], tmp_path / "ensemble" / "search")
    return tmp_path / "ensemble"


def written(folder, said):
    text = said if isinstance(said, str) else json.dumps(said)
    (folder / "ensemble.json").write_text(text)
    return folder


def changed(path, value):
    """GOOD with something else at a path; the path's last key is added if it is not there."""
    said = copy.deepcopy(GOOD)
    place: Any = said
    *keys, last = path.split("/")
    for key in keys:
        place = place[key]
    place[last] = value
    return said


def test_an_ensemble_is_found_by_its_file(folder):
    assert find_family(written(folder, GOOD)).name == "Ensemble"


def test_an_ensemble_tells_its_steps_in_their_order_and_its_members(folder):
    told: dict[str, Any] = load_model(written(folder, GOOD)).describe()
    assert told["family"] == "Ensemble"
    assert told["language"] == "de"
    assert told["inputs"] == {"claim": "string", "top_k": "integer"}
    assert told["steps"] == [
        {"step": "search", "model": "search", "after": ["claim", "top_k"]},
        {"step": "ranked", "after": ["search"]},
    ]
    assert told["members"]["search"]["documents"] == 6


STEP = "steps/more"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("steps/search/request/claim", "$clam", r"step search takes \$clam, which is neither an"),
        ("outputs/ids/value", "$found", r"output ids takes \$found, which is neither an input nor"),
        ("steps/search/when", "$ranked", "steps wait for each other: .*ranked"),
        ("steps/search/model", "finder", "asks the model finder, and there is no folder finder/"),
        ("steps/search/model", "../search", r"model '../search' is no name of a folder"),
        (STEP, {"value": 1}, "step more is in vain: no output needs it"),
        ("inputs/more", {"type": "string"}, "input more is in vain"),
        ("inputs/search", {"type": "string"}, "search is the name of an input and of a step"),
        ("steps/search/request/claim", "$claim/key", r"\$claim/key takes 'key' of string"),
        ("steps/search", {"value": {"matches": "$claim", "k": "$top_k"}},
         r"step ranked: rank takes a list; \$search/matches is string"),
        ("steps/ranked/rank", "$search/match", r"\$search/match takes 'match' of .*matches"),
        ("steps/ranked/by", "score", r"score takes 'score' of .*claim_text"),
        ("steps/ranked/by", 7, "step ranked: by must be a string, not 7"),
        ("steps/ranked/top", "$claim", r"top takes a integer; \$claim is string"),
        ("steps/ranked/order", "best", "order must be descending or ascending, not 'best'"),
        ("outputs/ids/type", "string", r'output ids: its type is \["string"\], not string'),
        ("outputs/ids/value", "$ranked/*/note", "note may be missing; write .*note[?]"),
        ("outputs/ids/type", ["word"], "output ids: type 'word' is no type; there are any, string"),
        ("outputs/trace", {"value": "$ranked"}, "may not be called trace"),
        ("inputs/top_k/default", "three", "input top_k: its default is 'three', not an integer"),
        ("inputs/top_k/maximum", 3, "input top_k has an unknown key 'maximum'"),
        ("inputs/top k", {"type": "any"}, "input 'top k': a name is a letter"),
        ("steps/search/reqest", 1, "step search has an unknown key 'reqest'"),
        ("steps/search/value", 1, "must have one of model, .*; it has model and value"),
        ("steps/search", {}, "it has none of them"),
        ("steps/search", [], r"step search must be a JSON object, not \[\]"),
        ("steps/search/target", "a.tar.gz", "must have one of .*; it has model and target"),
        ("steps/search", {"target": "../a", "request": 1}, "'../a' is no name in"),
        ("steps/search", {"target": "s3://b/a", "request": 1}, "'s3://b/a' is no name in"),
        ("steps/search", {"target": "a"}, "step search must have a request, what it asks a"),
        ("steps/search", {"target": "a", "request": 1, "each": {}}, "each is for models"),
        ("steps/search/tensors", {}, "must have either request or tensors"),
        ("steps/search/content_type", "image/png", "must be one of application/json, .*image/png"),
        ("steps/search/content_type", "text/plain", "a request of text/plain is no .*claim"),
        ("steps/search/optional", "yes", "optional must be true or false, not 'yes'"),
        ("steps/search/each", {"claim": "$claim"}, "each claim is a name already"),
        ("steps/search/each", {"one": "$claim"}, r"each one takes a list; \$claim is string"),
        ("steps/search/each", {"one": "claim"}, "'claim' is no reference such as"),
        ("steps/search/request/claim", "$", r"step search: '\$' is no reference such as"),
        ("steps/search/type", ["string"], r"\$search/matches takes 'matches' of"),
    ],
)  # fmt: skip
def test_a_wrong_graph_is_refused_by_name(folder, path, value, message):
    with pytest.raises(ArtifactError, match=message) as raised:
        load_model(written(folder, changed(path, value)))
    assert raised.value.file == "ensemble.json"


def test_a_tensor_that_a_family_does_not_take_is_refused(folder):
    said = changed("steps/search", {"model": "search", "tensors": {"text": ["$claim", "$top_k"]}})
    with pytest.raises(ArtifactError, match="step search: search takes no tensor text, but claim"):
        load_model(written(folder, said))


def test_a_cycle_names_its_steps(folder):
    said = changed("steps/search/request/claim", "$last")
    said["steps"] |= {"last": {"text": "$middle"}, "middle": {"text": "$ranked/*/id"}}
    with pytest.raises(ArtifactError, match="wait for each other") as raised:
        load_model(written(folder, said))
    for name in ("search", "ranked", "middle", "last"):
        assert name in str(raised.value)


@pytest.mark.hostile("parameters")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[" * 100 + "]" * 100, "nested more than 64 deep"),
        ('{"inputs": 1e999}', "not finite"),
        ('{"steps": {}, "steps": {}}', "'steps' is there twice"),
        ('"text"', "must be a JSON object, not 'text'"),
        ("{}", "it has no outputs"),
        ('{"x": "' + "a" * (1 << 20) + '"}', "is larger than 1048576 bytes"),
        ('{"inputs": "\\ud800"}', r"U\+D800"),
    ],
)
def test_a_file_that_is_no_definition_is_refused(folder, text, message):
    with pytest.raises(ArtifactError, match=message):
        load_model(written(folder, text))


def test_there_may_be_only_so_many_steps(folder):
    said = changed(STEP, {"value": 1})
    said["steps"] = {f"s{number}": {"value": 1} for number in range(MAX_STEPS + 1)}
    with pytest.raises(ArtifactError, match=f"it has {MAX_STEPS + 1} steps; at most {MAX_STEPS}"):
        load_model(written(folder, said))


def test_there_may_be_only_so_many_members(folder):
    count = MAX_MEMBERS + 1
    said = changed(STEP, {"value": 1})
    said["steps"] = {f"s{n}": {"model": f"m{n}", "request": "$claim"} for n in range(count)}
    with pytest.raises(ArtifactError, match=f"its steps ask {count} models; at most {MAX_MEMBERS}"):
        load_model(written(folder, said))


def test_a_member_that_is_broken_is_named_with_its_file(folder):
    (folder / "search" / "Search-model").write_bytes(b"nothing")
    with pytest.raises(ArtifactError, match=r"^search/Search-model: "):
        load_model(written(folder, GOOD))


def test_a_member_folder_without_a_model_is_named(folder):
    (folder / "search" / "Search-params.json").unlink()
    with pytest.raises(ArtifactError, match=r"^search: no model: wanted"):
        load_model(written(folder, GOOD))


@pytest.mark.hostile("parameters")
@pytest.mark.parametrize("file", ["ensemble.json", "code/inference.py"])
def test_a_member_is_no_ensemble_and_no_code(folder, file):
    place = folder / "search" / file
    place.parent.mkdir(exist_ok=True)
    place.write_text("raise SystemExit")
    with pytest.raises(ArtifactError, match=f"^search/{file}: .*a model of data"):
        load_model(written(folder, GOOD))


def test_an_ensemble_beside_the_parameters_of_a_family_is_refused(folder):
    (folder / "Search-params.json").write_text("{}")
    with pytest.raises(ArtifactError, match="Search and Ensemble; one model has one family"):
        load_model(written(folder, GOOD))
