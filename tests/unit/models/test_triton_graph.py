"""Ensembles of `config.pbtxt`: how steps hang together, checked before anything runs."""

from __future__ import annotations

import pytest

from models.errors import ArtifactError
from models.registry import load_model
from models.Triton.plan import read_plan
from tests.support.triton import laid_out, tensor_line

CODE = "class TritonPythonModel: ..."


def model(*tensors: str, batch: int = 4) -> str:
    return "\n".join([f'backend: "python"\nmax_batch_size: {batch}', *tensors])


def took(name, kind="FP32", dims="2", more=""):
    return tensor_line("input", name, kind, dims, more)


def gave(name, kind="FP32", dims="2", more=""):
    return tensor_line("output", name, kind, dims, more)


def step(name, inputs, outputs, version=-1):
    maps = [f'input_map {{ key: "{key}" value: "{value}" }}' for key, value in inputs.items()]
    maps += [f'output_map {{ key: "{key}" value: "{value}" }}' for key, value in outputs.items()]
    return f'step {{ model_name: "{name}" model_version: {version} {" ".join(maps)} }}'


def ensemble(*steps: str, tensors: str = took("IN") + gave("OUT"), batch: int = 4) -> str:
    parts = " ".join(steps)
    return (
        f'platform: "ensemble"\nmax_batch_size: {batch}\n{tensors}ensemble_scheduling {{ {parts} }}'
    )


FIRST = step("a", {"X": "IN"}, {"Y": "mid"})
LAST = step("b", {"X": "mid"}, {"Y": "OUT"})
SAME = model(took("X"), gave("Y"))


def artifact(root, config, **models):
    files = {"e/config.pbtxt": config}
    for name, text in ({"a": SAME, "b": SAME} | models).items():
        files |= {f"{name}/config.pbtxt": text, f"{name}/1/model.py": CODE}
    return laid_out(root, files)


def refusal(root) -> str:
    with pytest.raises(ArtifactError) as caught:
        load_model(root)
    return caught.value.message.removeprefix("e/config.pbtxt: ")


def test_steps_are_put_in_the_order_of_their_tensors(tmp_path):
    told = load_model(artifact(tmp_path, ensemble(LAST, FIRST))).describe()
    assert told["steps"] == ["a", "b"]
    assert told["tensors"] == {
        "platform": "ensemble",
        "inputs": [{"name": "IN", "datatype": "FP32", "shape": [-1, 2]}],
        "outputs": [{"name": "OUT", "datatype": "FP32", "shape": [-1, 2]}],
    }


def test_a_tensor_may_feed_several_steps_and_a_model_may_be_asked_twice(tmp_path):
    steps = (
        FIRST,
        step("b", {"X": "mid"}, {"Y": "one"}),
        step("b", {"X": "mid"}, {"Y": "two"}),
        step("join", {"P": "one", "Q": "two"}, {"Y": "OUT"}),
    )
    join = model(took("P"), took("Q"), gave("Y"))
    plan = read_plan(artifact(tmp_path, ensemble(*steps), join=join), None)
    assert plan.graph is not None
    assert [each.name for each in plan.graph.order] == ["a", "b", "b-2", "join"]
    assert plan.python == [("a", 1), ("b", 1), ("join", 1)]


def test_only_steps_that_are_needed_are_done(tmp_path):
    config = ensemble(
        FIRST,
        LAST,
        step("b", {"X": "IN"}, {"Y": "SIDE"}),
        tensors=took("IN") + gave("OUT") + gave("SIDE"),
    )
    graph = read_plan(artifact(tmp_path, config), None).graph
    assert graph is not None
    assert [each.name for each in graph.needed(["SIDE"])] == ["b-2"]
    assert [each.name for each in graph.needed(["OUT"])] == ["a", "b"]


def test_the_version_a_step_asks_for_is_taken(tmp_path):
    config = ensemble(step("a", {"X": "IN"}, {"Y": "mid"}, version=3), LAST)
    policy = SAME + "version_policy { all { } }"
    files = {"a/3/model.py": CODE, "b/4/model.py": CODE}
    root = laid_out(artifact(tmp_path, config, a=policy), files)
    assert read_plan(root, None).keys == {"a": ("a", 3), "b": ("b", 4)}
    laid_out(root, {"a/config.pbtxt": SAME + "version_policy { specific { versions: 1 } }"})
    assert refusal(root) == "a/config.pbtxt: has no version 3 to serve, but 1"


def test_a_version_without_a_number_is_the_newest(tmp_path):
    config = ensemble(FIRST, LAST).replace("model_version: -1", "")
    assert read_plan(artifact(tmp_path, config), None).keys["a"] == ("a", 1)


def test_models_with_batches_and_without_fit_where_their_whole_shapes_do(tmp_path):
    whole = model(took("X", dims="-1, 2"), gave("Y", dims="-1, 2"), batch=0)
    load_model(artifact(tmp_path / "a", ensemble(FIRST, LAST), b=whole))
    flat = model(took("X"), gave("Y"), batch=0)
    assert "input 'X' has the shape [2], and 'mid' comes from a as [-1, 2]" in refusal(
        artifact(tmp_path / "b", ensemble(FIRST, LAST), b=flat)
    )


def test_optional_inputs_may_be_left_out_and_passed_on(tmp_path):
    more = model(took("X"), took("Z", more="optional: true"), gave("Y"))
    load_model(artifact(tmp_path / "a", ensemble(FIRST, LAST), b=more))
    last = step("b", {"X": "mid", "Z": "MAYBE"}, {"Y": "OUT"})
    tensors = took("IN") + took("MAYBE", more="optional: true") + gave("OUT")
    load_model(artifact(tmp_path / "b", ensemble(FIRST, last, tensors=tensors), b=more))
    must = more.replace("optional: true", "")
    assert refusal(artifact(tmp_path / "c", ensemble(FIRST, last, tensors=tensors), b=must)) == (
        "step b: input 'Z' must be there, and MAYBE is optional"
    )


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (
            [step("a", {"X": "y"}, {"Y": "x"}), step("b", {"X": "x"}, {"Y": "y"}),
             step("a", {"X": "IN"}, {"Y": "OUT"})],
            "ensemble_scheduling: steps wait for each other: ",
        ),
        ([step("a", {"X": "x"}, {"Y": "x"}), FIRST, LAST],
         "ensemble_scheduling: steps wait for each other: a <- a"),
        ([FIRST, step("b", {"X": "none"}, {"Y": "OUT"})],
         ("step b: input 'X' is the tensor 'none', which neither the request brings nor a step"
         " makes; there are IN, mid, OUT")),
        ([FIRST, LAST, step("a", {"X": "IN"}, {"Y": "mid"})],
         "the tensor 'mid' comes from a and a-2"),
        ([step("a", {"X": "IN"}, {"Y": "IN"}), LAST], "the tensor 'IN' comes from the request and"),
        ([FIRST], "no step makes the output OUT"),
        ([FIRST, step("c", {"X": "mid"}, {"Y": "OUT"})],
         "step c asks the model 'c', and there is no such folder, but a"),
        ([FIRST, step("e", {"IN": "mid"}, {"OUT": "OUT"})], "step e asks e, an ensemble"),
        ([FIRST, step("b", {"Z": "mid"}, {"Y": "OUT"})],
         "step b: input 'Z' is none of the model's, which takes X"),
        ([FIRST, step("b", {"X": "mid"}, {"Z": "OUT"})],
         "step b: the model gives no 'Z', but Y"),
        ([FIRST, step("b", {}, {"Y": "OUT"})], "step b: input_map must map tensors"),
        ([FIRST, step("b", {"X": "mid"}, {})], "step b: output_map must map tensors"),
        ([], "ensemble_scheduling has no step"),
        ([FIRST] * 65, "ensemble_scheduling has 65 steps; at most 64 are taken"),
    ],
)  # fmt: skip
def test_what_does_not_hang_together_is_refused_by_name(tmp_path, steps, said):
    assert refusal(artifact(tmp_path, ensemble(*steps))).startswith(said)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (model(took("X", "INT64"), gave("Y")),
         "step b: input X is INT64, and 'mid' comes from a as FP32"),
        (model(took("X", dims="3"), gave("Y")),
         "step b: input X has the shape [-1, 3], and 'mid' comes from a as [-1, 2]"),
        (model(took("X", dims="2, 1"), gave("Y")), "step b: input X has the shape [-1, 2, 1]"),
        (model(took("X"), gave("Y", "STRING")),
         "output OUT is FP32, and 'OUT' comes from b as BYTES"),
        (model(took("X"), gave("Y", dims="5")), "output OUT has the shape [-1, 2]"),
        (model(took("X"), took("Z"), gave("Y")), "step b: nothing is mapped to the input Z"),
        (model(took("X"), gave("Y"), batch=3), "takes batches of 4, and the model b of 3"),
    ],
)  # fmt: skip
def test_types_and_shapes_that_do_not_fit_are_refused_by_name(tmp_path, other, said):
    message = refusal(artifact(tmp_path, ensemble(FIRST, LAST), b=other)).replace("'X'", "X")
    assert message.startswith(said)


def test_sizes_that_vary_fit_any(tmp_path):
    load_model(artifact(tmp_path, ensemble(FIRST, LAST), b=model(took("X", dims="-1"), gave("Y"))))


def test_what_nothing_asks_is_passed_over_by_name(tmp_path):
    config = ensemble(FIRST, LAST, tensors=took("IN") + took("VAIN") + gave("OUT"))
    root = artifact(tmp_path, config, idle='backend: "tensorrt"')
    told = load_model(root).describe()
    assert told["warnings"] == [
        "e/config.pbtxt: no step takes the input VAIN",
        "e/config.pbtxt: no step asks the model idle",
    ]


def test_two_ensembles_are_refused(tmp_path):
    root = laid_out(artifact(tmp_path, ensemble(FIRST, LAST)), {
        "f/config.pbtxt": ensemble(FIRST, LAST)
    })  # fmt: skip
    with pytest.raises(ArtifactError, match="is in 4 folders, with 2 ensembles"):
        load_model(root)


def test_an_ensemble_has_no_instances(tmp_path):
    config = ensemble(FIRST, LAST) + "\ninstance_group [{ kind: KIND_CPU }]"
    assert refusal(artifact(tmp_path, config)) == "instance_group: an ensemble has none"
