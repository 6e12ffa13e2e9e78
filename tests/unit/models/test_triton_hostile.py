"""Artifacts for Triton that are broken or mean harm: refused in words, soon, each by itself."""

from __future__ import annotations

import time

import numpy as np
import pytest

from models.errors import ArtifactError, ServingError
from models.onnx.protobuf import message
from models.registry import load_model
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

hostile = pytest.mark.hostile("artifacts")
MIB = 1024 * 1024
OUT = tensor_line("output", "Y", "FP32", "2")
CHAIN = 64


@pytest.fixture(autouse=True)
def _imports():
    with own_imports():
        yield


def scale(root, config=SCALING_CONFIG, model=None):
    content = scaling() if model is None else model
    return laid_out(root, {"config.pbtxt": config, "1/model.onnx": content})


def refusal(root) -> str:
    with pytest.raises(ArtifactError) as caught:
        load_model(root, root / "scratch")
    assert len(caught.value.message) < 4096
    return caught.value.message


@hostile
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("#" * (MIB + 1), "is larger than 1048576 bytes"),
        ("\xff\xfe".encode("latin-1"), "is not UTF-8"),
        ("input { " * 100_000, "no model configuration"),
        ("model_warmup { inputs { value { " * 30_000, "no model configuration"),
        ("[type.googleapis.com/a.b] { " * 30_000, "no model configuration"),
        ('name: "' + "x" * 1_000_000, "no model configuration"),
        ('name: "' + "\\n" * 400_000 + '"', "is no name of a folder"),
        ("max_batch_size: 1\n" * 50_000, "no model configuration"),
        (f"{SCALING_CONFIG} default_model_filename: 'a\\000b'", "is no name of a file"),
        (f"{SCALING_CONFIG} default_model_filename: '{'é' * 150}.onnx'", "is no name of a file"),
        (SCALING_CONFIG.replace("TYPE_FP32", "99"), "data_type 99 is none of its values"),
        (f"{SCALING_CONFIG} instance_group {{ kind: 99 }}", "kind 99 is none of its values"),
        (SCALING_CONFIG.replace("TYPE_FP32", "99999999999"), "no model configuration"),
        (
            SCALING_CONFIG.replace('"scale"', '"m"')
            + f"version_policy {{ specific {{ versions: {[*range(1, 2000)]} }} }}",
            "version_policy wants the versions",
        ),
        (SCALING_CONFIG + "input [{ name: 'i' data_type: TYPE_BOOL dims: 1 }]\n" * 300, "at most"),
        (SCALING_CONFIG + tensor_line("output", "o", "BOOL", "1," * 99 + "1"),
         "is a shape that no tensor has"),
        (SCALING_CONFIG + tensor_line("output", "o", "BOOL", "9999999999, 999999"),
         "is a shape that no tensor has"),
    ],
    ids=lambda value: str(value[:20]),
)  # fmt: skip
def test_a_configuration_without_measure_is_refused_soon(tmp_path, text, said):
    root = laid_out(tmp_path, {"m/config.pbtxt": text, "m/1/model.onnx": scaling()})
    began_s = time.process_time()
    assert said in refusal(root)
    assert time.process_time() - began_s < 10


@hostile
def test_a_large_configuration_takes_time_in_proportion_to_its_size(tmp_path):
    def seconds(count):
        lines = [f'parameters {{ key: "{n}" value {{ string_value: "v" }} }}' for n in range(count)]
        root = scale(tmp_path / str(count), SCALING_CONFIG + "\n".join(lines))
        began_s = time.process_time()
        load_model(root)
        return time.process_time() - began_s

    seconds(10)
    assert seconds(16_000) < 16 * max(seconds(2_000), 0.01)


@hostile
def test_more_models_versions_and_files_than_anyone_has_are_refused(tmp_path):
    many = {f"m{n}/config.pbtxt": SCALING_CONFIG for n in range(17)}
    assert "is in 17 folders; at most 16" in refusal(laid_out(tmp_path / "a", many))
    many = {f"m/{n}/": "" for n in range(1, 1200)}
    root = laid_out(tmp_path / "b", {"m/config.pbtxt": 'backend: "python"' + OUT, **many})
    assert "has 1200 entries; at most 1000" in refusal(root)


@hostile
def test_a_long_chain_of_steps_is_checked_and_done_in_proportion(tmp_path):
    config = 'backend: "python"\nmax_batch_size: 0\n' + "".join(
        tensor_line(key, name, "FP32", "-1") for key, name in (("input", "X"), ("output", "Y"))
    )
    steps = ", ".join(
        f'{{ model_name: "a" model_version: -1 input_map {{ key: "X" value: "t{n}" }}'
        f' output_map {{ key: "Y" value: "t{n + 1}" }} }}'
        for n in reversed(range(CHAIN))
    )
    first = tensor_line("input", "t0", "FP32", "-1")
    last = tensor_line("output", f"t{CHAIN}", "FP32", "-1")
    whole = f'platform: "ensemble"\n{first}{last}ensemble_scheduling {{ step [ {steps} ] }}'
    body = 'return [pb_utils.Tensor("Y", array(request, "X") + 1)]'
    root = laid_out(tmp_path, {
        "e/config.pbtxt": whole, "a/config.pbtxt": config, "a/1/model.py": python_model(body),
    })  # fmt: skip
    model = started(root)
    made = model.infer({"t0": np.zeros(1, np.float32)}, {}, [f"t{CHAIN}"])
    assert made[f"t{CHAIN}"].tolist() == [CHAIN]


@hostile
@pytest.mark.parametrize("place", ["m/config.pbtxt", "m/1/model.onnx", "m", "m/1"])
def test_a_link_that_leads_out_of_the_artifact_is_refused(tmp_path, place):
    files: dict[str, str | bytes] = {
        "m/config.pbtxt": SCALING_CONFIG.replace('"scale"', '"m"'),
        "m/1/model.onnx": scaling(),
    }
    outside = laid_out(tmp_path / "outside", files)
    root = laid_out(tmp_path / "root", files)
    target = root / place
    target.rename(tmp_path / "aside")
    target.symlink_to(outside / place)
    assert "is a link that leads out of the artifact" in refusal(root)


@hostile
def test_weights_in_another_file_are_refused(tmp_path):
    entry = message((1, "location"), (2, "../../../etc/passwd"))
    tensor = message((1, 5), (1, 2), (2, 1), (8, "words"), (13, entry), (14, 1))
    file = message((1, 9), (8, message((1, ""), (2, 17))), (7, message((5, tensor))))
    assert "keeps weights in another file" in refusal(scale(tmp_path, model=file))


@hostile
@pytest.mark.parametrize("content", [b"", b"\xff" * 64, b"\x08\x09", b"\x18\0\0\0ORTM" + bytes(64)])
def test_what_is_no_onnx_file_is_refused(tmp_path, content):
    assert refusal(scale(tmp_path, model=content)).startswith("model.onnx: ")


@hostile
def test_a_file_that_computes_something_else_than_it_says_fails_alone(tmp_path):
    nodes = [("Cast", ["X"], ["place"], {"to": 7}), ("Gather", ["table", "place"], ["Y"])]
    table = {"table": np.arange(3, dtype=np.float32)}
    lying = onnx_file({"X": ("batch", 2)}, {"Y": ("batch", 2)}, nodes, table)
    model = started(scale(tmp_path, model=lying))
    with pytest.raises(ServingError, match=r"1/model\.onnx: cannot be computed"):
        model.infer({"X": np.full((1, 2), 7, np.float32)}, {}, ["Y"])
    assert model.infer({"X": np.ones((1, 2), np.float32)}, {}, ["Y"])["Y"].tolist() == [[1, 1]]


@hostile
@pytest.mark.parametrize("source", ["(" * 100_000, "x = " + "-" * 200_000 + "1", "#" * (MIB + 1)])
def test_source_without_measure_is_refused_without_running(tmp_path, source):
    root = laid_out(tmp_path, {"config.pbtxt": 'backend: "python"' + OUT, "1/model.py": source})
    assert refusal(root).startswith("1/model.py: ")


@hostile
def test_a_file_of_code_that_no_import_finds_is_refused_before_it_starts(tmp_path):
    config = f'backend: "python" default_model_filename: "my.model.py"{OUT}'
    files = {"config.pbtxt": config, "1/my.model.py": python_model("return []")}
    assert "has a dot in its name" in refusal(laid_out(tmp_path, files))


def test_a_folder_where_a_file_should_be_is_refused(tmp_path):
    root = laid_out(tmp_path, {"config.pbtxt": SCALING_CONFIG, "1/model.onnx/model.onnx": b""})
    assert refusal(root) == "1/model.onnx: is a folder"


@hostile
@pytest.mark.parametrize(
    "raised",
    ["RecursionError('deep')", "type('Odd', (Exception,), {'__str__': lambda self: 1})()",
     "ValueError('x' * 10_000_000)"],
)  # fmt: skip
def test_whatever_code_raises_has_words(tmp_path, raised):
    root = laid_out(tmp_path, {"config.pbtxt": 'backend: "python"' + OUT,
                               "1/model.py": python_model(f"raise {raised}")})  # fmt: skip
    model = started(root)
    with pytest.raises(ServingError) as caught:
        model.infer({}, {}, ["Y"])
    assert len(caught.value.message) < 5000
