"""Models laid out for Triton that run: tensors in and out, steps, errors, what code sees."""

from __future__ import annotations

import gc
import json
import sys

import numpy as np
import pytest
from onnx import TensorProto, helper

from models.errors import ArtifactError, BadInput, CodeNotAllowed, ServingError
from models.open_inference import answer
from models.registry import load_model
from models.serving import Request
from tests.support import tensors as asked_as
from tests.support.triton import (
    SCALING_CONFIG,
    laid_out,
    onnx_file,
    own_imports,
    python_model,
    scaling,
    started,
    tensor_line,
)

X, Y = tensor_line("input", "X", "FP32", "2"), tensor_line("output", "Y", "FP32", "2")
ENSEMBLE = f"""platform: "ensemble"
max_batch_size: 4
{X}{Y}
ensemble_scheduling {{
  step [
    {{ model_name: "second" model_version: -1
      input_map {{ key: "X" value: "between" }} output_map {{ key: "Y" value: "Y" }} }},
    {{ model_name: "first" model_version: -1
      input_map {{ key: "X" value: "X" }} output_map {{ key: "Y" value: "between" }} }}
  ]
}}"""
PYTHON = f'backend: "python"\nmax_batch_size: 4\n{X}{Y}'
ADDING = 'return [pb_utils.Tensor("Y", array(request, "X") + np.float32(%s))]'


@pytest.fixture(autouse=True)
def _imports():
    with own_imports():
        yield


def python(root, body, config=PYTHON):
    return laid_out(root, {"config.pbtxt": config, "1/model.py": python_model(body)})


def ensemble(root, first=ADDING % 1, second=ADDING % 10, **others):
    files = {"e/config.pbtxt": ENSEMBLE}
    for name, body in (("first", first), ("second", second)):
        files |= {f"{name}/config.pbtxt": PYTHON, f"{name}/1/model.py": python_model(body)}
    return laid_out(root, files | others)


def ask(model, *rows, wanted=("Y",)):
    return model.infer({"X": np.array(rows, np.float32)}, {}, wanted)


def failure(model, *rows) -> ServingError:
    with pytest.raises(ServingError) as caught:
        ask(model, *(rows or ([1, 2],)))
    return caught.value


def test_an_onnx_model_answers_and_needs_no_leave(tmp_path):
    root = laid_out(tmp_path, {"config.pbtxt": SCALING_CONFIG, "1/model.onnx": scaling(3)})
    for scratch in (None, tmp_path / "scratch", tmp_path / "scratch"):
        model = load_model(root, scratch)
        assert (model.needs().is_data, model.needs().is_code) == (True, False)
        assert ask(model, [1, 2], [3, 4])["Y"].tolist() == [[3, 6], [9, 12]]


def test_requests_in_json_are_answered_whatever_they_are_called(tmp_path):
    root = laid_out(tmp_path, {"config.pbtxt": SCALING_CONFIG, "1/model.onnx": scaling()})
    model = load_model(root)
    body = b'{"inputs": [{"name": "X", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}]}'
    for media in ("application/json", "application/octet-stream", None, asked_as.TYPE):
        said = json.loads(answer(model, Request(media, "text/csv", body)).body)
        assert said["outputs"] == [
            {"name": "Y", "datatype": "FP32", "shape": [1, 2], "data": [2.0, 4.0]}
        ]
    with pytest.raises(ServingError, match="Content-Type 'text/csv' is not understood"):
        model.predict(Request("text/csv", None, b"1,2"))


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"X": np.zeros((5, 2), np.float32)}, "a batch of 5; the model scale takes 1 to 4"),
        ({"X": np.zeros((0, 2), np.float32)}, "a batch of 0"),
        ({"X": np.zeros((1, 3), np.float32)}, r"is of shape \[-1, 2\], not \[1, 3\]"),
        ({"X": np.zeros((1, 2), np.int64)}, "is FP32, not int64"),
        ({}, "The input X is missing"),
    ],
)
def test_a_request_that_does_not_fit_is_the_callers_fault(tmp_path, inputs, said):
    root = laid_out(tmp_path, {"config.pbtxt": SCALING_CONFIG, "1/model.onnx": scaling()})
    with pytest.raises(BadInput, match=said):
        started(root).infer(inputs, {}, ["Y"])


def test_code_does_not_run_before_it_is_started(tmp_path):
    root = laid_out(tmp_path, {
        "config.pbtxt": PYTHON,
        "1/model.py": f"open({str(tmp_path / 'ran')!r}, 'w')\nclass TritonPythonModel: ...",
    })  # fmt: skip
    model = load_model(root)
    assert model.needs().is_code
    with pytest.raises(CodeNotAllowed, match="the model is code"):
        answer(model, Request(asked_as.TYPE, None, b"{}"))
    assert not (tmp_path / "ran").exists()


def test_a_python_model_gets_what_triton_gives_it(tmp_path):
    body = """
config = json.loads(self.args["model_config"])
given = pb_utils.get_input_config_by_name(config, "X")
made = pb_utils.get_output_config_by_name(config, "Y")
kind = pb_utils.triton_string_to_numpy(made["data_type"])
facts = [
    given["dims"], config["max_batch_size"], config["parameters"]["k"]["string_value"],
    self.args["model_name"], self.args["model_version"], self.args["model_instance_kind"],
    sorted(os.listdir(self.args["model_repository"])), kind is np.float32,
    request.requested_output_names(), json.loads(request.parameters()), __name__,
    pb_utils.get_input_tensor_by_name(request, "NONE"), helper.NAME,
]
return pb_utils.InferenceResponse(error=pb_utils.TritonError(json.dumps(facts)))
"""
    config = PYTHON + 'name: "mine"\nparameters { key: "k" value { string_value: "v" } }'
    source = "import json, os\nfrom . import helper\n" + python_model(body)
    root = laid_out(tmp_path, {
        "config.pbtxt": config, "7/model.py": source, "7/helper.py": "NAME = __name__",
    })  # fmt: skip
    with pytest.raises(ServingError) as caught:
        started(root).infer({"X": np.ones((1, 2), np.float32)}, {"p": 1}, ["Y"])
    assert json.loads(caught.value.message) == [
        [2], 4, "v", "mine", "7", "CPU", ["7", "config.pbtxt"], True, ["Y"], {"p": 1},
        "7.model", None, "7.helper",
    ]  # fmt: skip


def test_texts_go_in_as_bytes_and_come_out_of_texts_bytes_and_objects(tmp_path):
    config = 'backend: "python"\n' + "".join(
        [tensor_line("input", "T", "STRING", "-1")]
        + [tensor_line("output", name, "STRING", "-1") for name in "ABC"]
    )
    body = """
texts = [each.decode() for each in array(request, "T")]
return [
    pb_utils.Tensor("A", np.array(texts)),
    pb_utils.Tensor("B", np.array(array(request, "T"), object)),
    pb_utils.Tensor("C", np.array([each.encode() for each in texts])),
]"""
    model = started(python(tmp_path, body, config))
    sent = asked_as.objects("größe".encode(), b"")
    made = model.infer({"T": sent}, {}, ["A", "B", "C"])
    assert [made[name].tolist() for name in "ABC"] == [["größe".encode(), b""]] * 3


def test_what_a_model_does_to_its_inputs_changes_nobody_elses(tmp_path):
    model = started(python(tmp_path, """
x = array(request, "X")
x += 1
return [pb_utils.Tensor("Y", x)]"""))  # fmt: skip
    sent = np.ones((1, 2), np.float32)
    sent.flags.writeable = False
    assert model.infer({"X": sent}, {}, ["Y"])["Y"].tolist() == [[2, 2]]
    assert sent.tolist() == [[1, 1]]


def test_tensors_are_reshaped_for_the_backend_and_back(tmp_path):
    config = 'backend: "python"\nmax_batch_size: 4\n' + "".join([
        tensor_line("input", "X", "FP32", "1", "reshape { shape: [ ] }"),
        tensor_line("input", "Z", "FP32", "-1, 4", "reshape { shape: [ -1, 2, 2 ] }"),
        tensor_line("output", "Y", "FP32", "1", "reshape { shape: [ ] }"),
        tensor_line("output", "S", "INT64", "4"),
    ])  # fmt: skip
    model = started(python(tmp_path, """
x, z = array(request, "X"), array(request, "Z")
return [pb_utils.Tensor("Y", x * 2), pb_utils.Tensor("S", np.array([z.shape] * len(z)))]""",
        config))  # fmt: skip
    sent = {"X": np.ones((2, 1), np.float32), "Z": np.ones((2, 3, 4), np.float32)}
    made = model.infer(sent, {}, ["Y", "S"])
    assert made["Y"].shape == (2, 1)
    assert made["S"].tolist() == [[2, 3, 2, 2]] * 2


def test_an_input_that_is_optional_may_be_absent(tmp_path):
    config = PYTHON + tensor_line("input", "Z", "FP32", "1", "optional: true")
    body = """
z = array(request, "Z")
return [pb_utils.Tensor("Y", array(request, "X") + (100 if z is None else z))]"""
    model = started(python(tmp_path, body, config))
    assert ask(model, [1, 2])["Y"].tolist() == [[101, 102]]
    sent = {"X": np.ones((1, 2), np.float32), "Z": np.ones((1, 1), np.float32)}
    assert model.infer(sent, {}, ["Y"])["Y"].tolist() == [[2, 2]]


@pytest.mark.parametrize(
    ("body", "status", "kind", "message"),
    [
        ("raise ValueError('because')", 500, "ValueError", "because"),
        ("raise SystemExit(3)", 500, "SystemExit", "3"),
        ("raise pb_utils.TritonModelException('not so')", 500, "TritonModelException", "not so"),
        ("return pb_utils.InferenceResponse(error=pb_utils.TritonError('no'))", 500, "TritonError",
         "no"),
        (("return pb_utils.InferenceResponse(error=pb_utils.TritonError('bad',"
         " pb_utils.TritonError.INVALID_ARG))"), 400, "TritonError", "bad"),
        ("raise OSError(self.args['model_repository'] + '/x')", 500, "OSError", "<model>/x"),
        ("return []", 500, "WrongOutput", "The model made no output Y"),
        ("return [pb_utils.Tensor('Y', np.ones((1, 2)))]", 500, "WrongOutput",
         "The output Y is FP32, not float64"),
        ("return [pb_utils.Tensor('Y', [1.0])]", 500, "TritonModelException",
         "Tensor Y: wanted an array of NumPy, not list"),
        ("request.exec()", 500, "TritonModelException",
         "InferenceRequest.exec is not offered here: a model that asks others is an ensemble"),
    ],
)  # fmt: skip
def test_errors_keep_kind_and_message_without_a_stack(tmp_path, body, status, kind, message):
    error = failure(started(python(tmp_path, body)))
    assert (error.status_code, error.type, error.message) == (status, kind, message)


@pytest.mark.parametrize(
    ("answered", "said"),
    [("None", "no list"), ("[]", "0 responses"), ("[1]", "execute returned a int")],
)
def test_an_execute_that_answers_otherwise_is_named(tmp_path, answered, said):
    source = f"class TritonPythonModel:\n def execute(self, requests): return {answered}"
    root = laid_out(tmp_path, {"config.pbtxt": PYTHON, "1/model.py": source})
    assert said in failure(started(root)).message


def test_code_that_cannot_start_is_an_error_that_names_the_step(tmp_path):
    second = "second/1/model.py"
    root = ensemble(tmp_path, **{second: "import none_such\nclass TritonPythonModel: ..."})
    with pytest.raises(ServingError) as caught:
        started(root)
    assert (caught.value.type, caught.value.message) == (
        "ModuleNotFoundError", "Step second: No module named 'none_such'",
    )  # fmt: skip
    laid_out(root, {second: "class TritonPythonModel: ..."})
    with pytest.raises(ServingError, match="TritonPythonModel has no method execute"):
        started(root)


def test_an_ensemble_answers_as_its_steps_do_and_tells_their_times(tmp_path):
    model = started(ensemble(tmp_path))
    assert ask(model, [1, 2], [3, 4])["Y"].tolist() == [[12, 13], [14, 15]]
    assert list(model.steps_s) == ["first", "second"]
    body = b'{"inputs": [{"name": "X", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}]}'
    assert list(answer(model, Request(asked_as.TYPE, None, body)).steps_s) == ["first", "second"]


def test_a_step_that_fails_is_named(tmp_path):
    model = started(ensemble(tmp_path, second="raise KeyError('x')"))
    error = failure(model)
    assert (error.status_code, error.type) == (500, "KeyError")
    assert error.message == "Step second: 'x'"


def test_a_tensor_that_a_later_step_cannot_take_is_no_fault_of_the_caller(tmp_path):
    longer = 'return [pb_utils.Tensor("Y", np.ones((1, 3), np.float32))]'
    error = failure(started(ensemble(tmp_path, first=longer)))
    assert error.status_code == 500
    assert error.message == "Step second: The input X is of shape [-1, 2], not [1, 3]"


def test_bytes_that_are_no_text_are_the_fault_of_who_sent_them(tmp_path):
    x, y = tensor_line("input", "X", "STRING", "1"), tensor_line("output", "Y", "STRING", "1")
    given, made = (
        helper.make_tensor_value_info(name, TensorProto.STRING, ["n", 1]) for name in "XY"
    )
    graph = helper.make_graph([helper.make_node("Identity", ["X"], ["Y"])], "g", [given], [made])
    opsets = [helper.make_opsetid("", 17)]
    same = helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()
    config = f'platform: "onnxruntime_onnx"\nmax_batch_size: 4\n{x}{y}'
    sent = {"X": np.array([[b"\xff"]], object)}
    alone = laid_out(tmp_path / "alone", {"config.pbtxt": config, "1/model.onnx": same})
    with pytest.raises(BadInput, match="The input X holds bytes that are no UTF-8"):
        started(alone).infer(sent, {}, ["Y"])
    files = {
        "e/config.pbtxt": ENSEMBLE.replace(X + Y, x + y),
        "first/config.pbtxt": PYTHON.replace(X + Y, x + y),
        "first/1/model.py": python_model('return [pb_utils.Tensor("Y", array(request, "X"))]'),
        "second/config.pbtxt": config,
        "second/1/model.onnx": same,
    }
    with pytest.raises(ServingError, match="Step second: The input X holds bytes") as raised:
        started(laid_out(tmp_path / "steps", files)).infer(sent, {}, ["Y"])
    assert raised.value.status_code == 500


def test_python_and_onnx_steps_work_together(tmp_path):
    config = SCALING_CONFIG.replace('"scale"', '"second"')
    root = ensemble(tmp_path / "a", **{
        "second/config.pbtxt": config, "second/1/model.onnx": scaling(5),
    })  # fmt: skip
    assert ask(started(root, tmp_path / "s"), [1, 2])["Y"].tolist() == [[10, 15]]


def test_modules_of_one_name_never_mix(tmp_path):
    body = """
import late_name
return [pb_utils.Tensor("Y", array(request, "X") * early_name.VALUE + late_name.VALUE)]"""
    source = "import early_name\n" + python_model(body)
    files = {
        f"{step}/1/{file}": text
        for step, early, late in (("first", 2, 1), ("second", 10, 5))
        for file, text in (
            ("model.py", source),
            ("early_name.py", f"VALUE = np.float32({early})".replace("np.float32", "")),
            ("late_name/__init__.py", f"VALUE = {late}"),
        )
    }
    model = started(ensemble(tmp_path, **files))
    for _ in range(3):
        assert ask(model, [1, 2])["Y"].tolist() == [[35, 55]]


def test_the_stand_in_is_seen_by_its_models_alone(tmp_path):
    model = started(python(tmp_path, ADDING % 1))
    assert ask(model, [1, 2])["Y"].tolist() == [[2, 3]]
    started(laid_out(tmp_path / "s", {"code/inference.py": "def model_fn(d): ...\n"
                                      "def predict_fn(d, m): ..."}))  # fmt: skip
    assert "triton_python_backend_utils" not in sys.modules
    assert "1.model" not in sys.modules


def test_finalize_is_called_when_the_model_goes(tmp_path):
    source = python_model(ADDING % 1) + (
        f"\n    def finalize(self): open({str(tmp_path / 'ended')!r}, 'w').close()\n"
    )
    model = started(laid_out(tmp_path, {"config.pbtxt": PYTHON, "1/model.py": source}))
    assert not (tmp_path / "ended").exists()
    del model
    gc.collect()
    assert (tmp_path / "ended").exists()


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (SCALING_CONFIG.replace('"X"', '"Z"'), "input Z is none of the model's file, which has X"),
        (SCALING_CONFIG.replace("FP32 dims: [ 2 ] }]\noutput", "FP64 dims: [ 2 ] }]\noutput"),
         "input X is FP64, and in the model's file tensor(float)"),
        (SCALING_CONFIG.replace("dims: [ 2 ]", "dims: [ 3 ]"), "input X has the shape [-1, 3]"),
        (SCALING_CONFIG.replace("max_batch_size: 4", ""), "input X has the shape [2]"),
        (SCALING_CONFIG + tensor_line("output", "Q", "FP32", "2"), "output Q is none"),
        (SCALING_CONFIG.replace("} ]", "}]").replace("dims: [ 2 ] }]\no",
                                                     "dims: [ 2 ] optional: true }]\no"),
         "input X is optional, and 1/model.onnx must have it"),
    ],
)  # fmt: skip
def test_an_onnx_file_that_does_not_fit_its_configuration_is_refused(tmp_path, config, said):
    root = laid_out(tmp_path, {"config.pbtxt": config, "1/model.onnx": scaling()})
    with pytest.raises(ArtifactError) as caught:
        load_model(root)
    assert said in caught.value.message


def test_an_input_the_file_needs_must_be_in_the_configuration(tmp_path):
    both = onnx_file({"X": ("b", 2), "Z": ("b", 2)}, {"Y": ("b", 2)}, [("Add", ["X", "Z"], ["Y"])],
                     {})  # fmt: skip
    root = laid_out(tmp_path, {"config.pbtxt": SCALING_CONFIG, "1/model.onnx": both})
    with pytest.raises(ArtifactError, match=r"lacks the input Z, which 1/model\.onnx must have"):
        load_model(root)
