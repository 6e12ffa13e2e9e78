"""`config.pbtxt` and the folders around it: what is taken, passed over and refused by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from models.errors import ArtifactError, NotConverted
from models.registry import find_family, load_model
from models.Triton import schema
from models.Triton.config import parse_config
from models.Triton.repository import read_repository
from models.Triton.schema import read_config
from tests.support.triton import SCALING_CONFIG, laid_out, python_model, scaling, tensor_line

PROJECT = Path(__file__).parents[3]
IN, OUT = tensor_line("input", "X", "FP32", "2"), tensor_line("output", "Y", "FP32", "2")
PYTHON = f'backend: "python"\n{IN}{OUT}'
DOUBLE = python_model('return [pb_utils.Tensor("Y", 2 * array(request, "X"))]')


def one_model(root, config=PYTHON, version="1", file="model.py", content=DOUBLE):
    return laid_out(root, {"m/config.pbtxt": config, f"m/{version}/{file}": content})


def refusal(root) -> str:
    with pytest.raises(ArtifactError) as caught:
        load_model(root)
    return caught.value.message


def warnings(root) -> list[str]:
    told = load_model(root).describe().get("warnings", [])
    assert isinstance(told, list)
    return told


def test_a_model_alone_may_be_a_folder_or_the_root_itself(tmp_path):
    inside = one_model(tmp_path / "a", SCALING_CONFIG.replace('"scale"', '"m"'), "1", "model.onnx",
                       scaling())  # fmt: skip
    root = laid_out(tmp_path / "b", {"config.pbtxt": SCALING_CONFIG, "1/model.onnx": scaling()})
    for folder in (inside, root):
        assert find_family(folder).name == "Triton"
        told = load_model(folder).describe()
        assert told["tensors"] == {
            "platform": "onnxruntime_onnx",
            "inputs": [{"name": "X", "datatype": "FP32", "shape": [-1, 2]}],
            "outputs": [{"name": "Y", "datatype": "FP32", "shape": [-1, 2]}],
        }


def test_an_artifact_of_another_family_stays_one(tmp_path):
    files = {"code/inference.py": "", "weights/config.pbtxt": ""}
    assert find_family(laid_out(tmp_path, files)).name == "Script"


def test_the_configuration_is_read_as_triton_s_schema_has_it(tmp_path):
    text = """
    name: "m" # a comment
    max_batch_size: 8
    input [ { name: "A" data_type: TYPE_STRING dims: [ -1, 3 ] }, { name: "B" data_type: TYPE_INT64
              dims: [ 1 ] reshape { shape: [ ] } optional: true } ]
    version_policy: { specific: { versions: [ 2, 9223372036854775807 ] } }
    parameters: { key: "k" value: { string_value: "v" } }
    """
    path = laid_out(tmp_path, {"config.pbtxt": text}) / "config.pbtxt"
    assert read_config(path, "f") == {
        "name": "m",
        "max_batch_size": 8,
        "input": [
            {"name": "A", "data_type": "TYPE_STRING", "dims": [-1, 3]},
            {"name": "B", "data_type": "TYPE_INT64", "dims": [1], "reshape": {}, "optional": True},
        ],
        "version_policy": {"specific": {"versions": [2, 2**63 - 1]}},
        "parameters": {"k": {"string_value": "v"}},
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('nam: "m"', 'has no field named "nam"'),
        ("max_batch_size: -", "1:17"),
        ("dynamic_batching { } ensemble_scheduling { }", "oneof"),
        ("input [", "no model configuration"),
        ("\0", "no model configuration"),
        ("max_batch_size: 99999999999", "no model configuration"),
    ],
)
def test_what_is_no_configuration_is_refused_with_its_place(tmp_path, text, said):
    message = refusal(one_model(tmp_path, text))
    assert message.startswith("m/config.pbtxt: ")
    assert said in message


def test_grpc_is_not_needed_to_read_it(tmp_path):
    one_model(tmp_path)
    program = (
        "import sys; sys.modules['grpc'] = None\n"
        "from pathlib import Path; from models.Triton.schema import read_config\n"
        f"print(read_config(Path({str(tmp_path / 'm/config.pbtxt')!r}), 'f')['backend'])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True,
                          text=True, check=True)  # fmt: skip
    assert done.stdout == "python\n"


def test_where_the_packages_are_missing_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(schema, "PARSERS", ("google.protobuf.none",))
    assert refusal(one_model(tmp_path)) == (
        "m/config.pbtxt: needs protobuf and tritonclient, which are not installed here:"
        " pip install 'mme[triton]'"
    )


def test_a_worker_loads_what_an_admission_kept_without_the_schema(tmp_path, monkeypatch):
    root, scratch = one_model(tmp_path / "a"), tmp_path / "s"
    read_repository(root, scratch)
    monkeypatch.setattr(schema, "PARSERS", ("google.protobuf.none",))
    assert read_repository(root, scratch).asked.config.name == "m"


def test_what_nobody_converted_is_no_fault_of_the_artifact(tmp_path, monkeypatch):
    def only_maps(file):
        raise NotConverted(file)

    monkeypatch.setattr("models.mapped.folder.check_may_convert", only_maps)
    with pytest.raises(NotConverted):
        load_model(one_model(tmp_path / "a"), tmp_path / "s")


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (f'backend: "pytorch"\n{IN}{OUT}', "backend 'pytorch' is not here: there are the backends"),
        (f'platform: "tensorrt_plan"\n{IN}{OUT}', "platform 'tensorrt_plan' is not here"),
        (f'backend: "python" platform: "onnxruntime_onnx"\n{OUT}', "do not fit together"),
        (f'platform: "ensemble"\n{IN}{OUT}', "ensemble_scheduling belong together"),
        (f'backend: "python" ensemble_scheduling {{ }}\n{OUT}', "belong together"),
        (f'name: "other"\n{PYTHON}', "name 'other' is not its folder's, 'm'"),
        (f"max_batch_size: -1\n{PYTHON}", "max_batch_size is -1"),
        (f'backend: "python"\n{IN}', "has no output"),
        (f"{PYTHON}{IN}", "input X is there twice"),
        (f'{PYTHON}input [{{ name: "Z" dims: [ 1 ] }}]', "input Z has no data_type"),
        (f'{PYTHON}input [{{ name: "Z" data_type: TYPE_BOOL }}]', "input Z has no dims"),
        (f"{PYTHON}{tensor_line('input', 'Z', 'BOOL', '0')}", "input Z: dims is [0]"),
        (f"{PYTHON}{tensor_line('input', 'Z', 'BOOL', '-2')}", "input Z: dims is [-2]"),
        (f"{PYTHON}{tensor_line('input', '', 'BOOL', '1')}", "input '' has no usable name"),
        (
            f"{PYTHON}{tensor_line('input', 'Z', 'BOOL', '-1, 4', 'reshape { shape: [ 2, 3 ] }')}",
            "dims [-1, 4] cannot be reshaped to [2, 3]",
        ),
        (f'{PYTHON}default_model_filename: "../model.py"', "is no name of a file"),
        (f'{PYTHON}default_model_filename: "none.py"', "m/1/none.py: is missing"),
        (f'{PYTHON}default_model_filename: "folder"', "m/1/folder: is a folder"),
        (f"{PYTHON}version_policy {{ specific {{ versions: [ 7 ] }} }}", "wants the versions [7]"),
        ((f'{PYTHON}parameters {{ key: "EXECUTION_ENV_PATH" value {{ string_value:'
         ' "$$TRITON_MODEL_DIRECTORY/e.tar.gz" } }'), "EXECUTION_ENV_PATH is not supported"),
        (f"{PYTHON}sequence_batching {{ }}", "sequence_batching is not supported"),
        (f"{PYTHON}model_transaction_policy {{ decoupled: true }}", "decoupled is not supported"),
        (f'{PYTHON}runtime: "libx.so"', "runtime is not supported"),
        (f'{PYTHON}model_repository_agents {{ agents {{ name: "checksum" }} }}', "agents"),
        (f'{PYTHON}model_operations {{ op_library_filename: "x.so" }}', "model_operations"),
        (f"{PYTHON}batch_input {{ kind: BATCH_ELEMENT_COUNT }}", "batch_input is not supported"),
        (f"{PYTHON}{tensor_line('input', 'Z', 'INT32', '1', 'is_shape_tensor: true')}", "TensorRT"),
    ],
)  # fmt: skip
def test_what_cannot_be_met_is_refused_by_name(tmp_path, config, said):
    root = laid_out(one_model(tmp_path, config), {"m/1/folder/": ""})
    message = refusal(root)
    assert said in message
    assert message.startswith("m/")


def test_what_bears_only_on_speed_is_passed_over_by_name(tmp_path):
    config = f"""{PYTHON}
    max_batch_size: 8
    dynamic_batching {{ max_queue_delay_microseconds: 100 }}
    instance_group [{{ kind: KIND_GPU count: 2 }}]
    optimization {{ priority: PRIORITY_MAX }}
    response_cache {{ enable: true }}
    parameters {{ key: "mine" value {{ string_value: "x" }} }}
    """
    found = warnings(one_model(tmp_path, config))
    for word in ("dynamic_batching", "KIND_GPU", "count", "optimization", "response_cache"):
        assert len([each for each in found if word in each]) == 1
    assert all(each.startswith("m/config.pbtxt: ") for each in found)
    assert not any("mine" in each for each in found)  # it is the Python model's own


def test_parameters_of_onnxruntime_are_passed_over(tmp_path):
    config = 'parameters { key: "intra_op_thread_count" value { string_value: "4" } }'
    root = laid_out(tmp_path, {"config.pbtxt": SCALING_CONFIG + config, "1/model.onnx": scaling()})
    assert any("intra_op_thread_count" in each for each in warnings(root))


@pytest.mark.parametrize(
    ("policy", "served"),
    [
        ("", [10]),
        ("version_policy { latest { num_versions: 2 } }", [2, 10]),
        ("version_policy { all { } }", [1, 2, 10]),
        ("version_policy { specific { versions: [ 2, 1 ] } }", [1, 2]),
    ],
)
def test_versions_are_those_of_the_policy(tmp_path, policy, served):
    config = PYTHON + policy
    files = {f"m/{each}/model.py": DOUBLE for each in ("1", "2", "10", "03", "new")}
    root = laid_out(tmp_path, {"m/config.pbtxt": config, **files})
    assert list(read_repository(root, None).asked.versions) == served


def test_a_model_without_a_version_is_refused(tmp_path):
    root = laid_out(tmp_path, {"m/config.pbtxt": PYTHON, "m/0/model.py": DOUBLE})
    assert "has no version to serve" in refusal(root)


def test_the_backend_may_be_told_by_the_file_alone(tmp_path):
    assert parse_config({"output": []} | _said(), "m", "f", {"model.onnx"}).backend == "onnxruntime"
    assert parse_config(_said(), "m", "f", {"model.py"}).backend == "python"
    named = _said() | {"default_model_filename": "mine.py"}
    assert parse_config(named, "m", "f", {"mine.py"}).backend == "python"
    with pytest.raises(ArtifactError, match="names neither a backend nor a platform"):
        parse_config(_said(), "m", "f", {"model.pt"})


def _said():
    return {"output": [{"name": "Y", "data_type": "TYPE_FP32", "dims": [1]}]}


def test_several_models_need_one_ensemble(tmp_path):
    root = laid_out(one_model(tmp_path), {"n/config.pbtxt": PYTHON, "n/1/model.py": DOUBLE})
    assert "is in 2 folders, with no ensemble" in refusal(root)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("class Other: ...", "m/1/model.py: has no class TritonPythonModel"),
        ("class TritonPythonModel:", "m/1/model.py: a syntax error, line 1"),
        ("x = '\0'", "m/1/model.py: "),
    ],
)
def test_code_is_read_before_it_runs(tmp_path, source, said):
    assert refusal(one_model(tmp_path, content=source)).startswith(said)


def test_code_may_have_its_class_from_elsewhere(tmp_path):
    load_model(one_model(tmp_path, content="from mine import TritonPythonModel"))
