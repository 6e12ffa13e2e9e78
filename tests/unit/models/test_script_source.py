"""What is found out about a script without running it."""

from __future__ import annotations

from typing import Any

import pytest

from models.errors import ArtifactError, CodeNotAllowed
from models.python_source import MOST_BYTES
from models.registry import find_family, load_model
from models.Script.requirements import MOST_LINES, read_requirements
from models.Script.source import read_source
from models.serving import Request
from tests.support.scripts import DOUBLING, script

TRANSFORM = (
    "def model_fn(model_dir): ...\ndef transform_fn(model, data, content_type, accept): ...\n"
)


def test_code_is_recognized_and_not_run(tmp_path):
    ran = tmp_path / "ran"
    script(tmp_path, f"open({str(ran)!r}, 'w')\n{DOUBLING}")
    model = load_model(tmp_path)
    assert model.describe() == {"family": "Script", "functions": ["model_fn", "predict_fn"]}
    assert model.needs().is_code
    assert not model.needs().is_data
    with pytest.raises(CodeNotAllowed, match="MME_ALLOW_CODE"):
        model.predict(Request("text/plain", None, b""))
    assert not ran.exists()


def test_parameters_make_an_artifact_data_whatever_lies_beside(tmp_path):
    script(tmp_path, DOUBLING, {"DocSim-params.json": "{}"})
    assert find_family(tmp_path).name == "DocSim"


@pytest.mark.parametrize(
    "source",
    [
        TRANSFORM,
        "from handlers import model_fn, predict_fn\n",
        "from handlers import *\n",
        "import x\nmodel_fn = x.load\npredict_fn: object = x.predict\n",
        (
            "try:\n    import torch\nexcept ImportError:\n    torch = None\nif True:\n"
            "    def model_fn(model_dir, context): ...\n    def predict_fn(data, model): ...\n"
        ),
        "@wrapped\ndef model_fn(): ...\nclass predict_fn: ...\n",
        "globals().update(made())\n",
        "# coding: latin-1\n" + DOUBLING,
    ],
)
def test_ways_to_have_the_functions(tmp_path, source):
    assert read_source(script(tmp_path, source)) is not None


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("", "model_fn.* is missing; it has none of the functions"),
        ("def model_fn(model_dir): ...", "predict_fn.*transform_fn.*missing; it has model_fn"),
        ("def predict_fn(data, model): ...", "model_fn.* is missing; it has predict_fn"),
        (TRANSFORM + "def input_fn(data, kind): ...", "has transform_fn and input_fn"),
        ("def model_fn(: ...", "a syntax error, line 1"),
        (DOUBLING + "\nreturn 1", "a syntax error, line .*outside function"),
        ("def model_fn(): ...", r"line 1: model_fn takes ''; wanted \(model_dir\) or"),
        ("def model_fn(a, b, c): ...", "model_fn takes 'a, b, c'; wanted"),
        ("async def model_fn(model_dir): ...", "model_fn is async"),
        ("x = 1\0", "no Python source|null bytes"),
        ("x = " + "-" * 200_000 + "1", "nested too deeply|syntax error"),
        ("x = " + "(" * 500, "a syntax error"),
        ("x" + ".x" * 100_000, "nested too deeply|is missing"),
        ("#" * (MOST_BYTES + 1), "is larger than"),
    ],
)
def test_what_is_wrong_with_code_is_named(tmp_path, source, words):
    with pytest.raises(ArtifactError, match=words):
        read_source(script(tmp_path, source))


def test_missing_requirements_are_named_with_their_versions(tmp_path):
    wanted = (
        "# comment\nnumpy>=1\ntorch==2.1  # for the net\nnumpy<1\n"
        "pywin32; sys_platform == 'win32'\n-r other.txt\nfoo @ https://x/y\n--hash=sha256:00\n"
        "./local\nnot a requirement\n\n"
    )
    script(tmp_path, DOUBLING, {"code/requirements.txt": wanted})
    found: Any = load_model(tmp_path).describe()["requirements"]
    assert found["met"] == 2
    assert found["unread"] == 5
    torch, numpy = found["missing"]
    assert torch == "torch==2.1 (not installed)"
    assert numpy.startswith("numpy<1 (installed is ")


@pytest.mark.parametrize(
    "marker",
    ["os_name ~= 'posix'", "python_full_version ~= 'a'", "'a' ~= 'b'", "platform_version ~= '1.0'"],
)
def test_a_marker_that_makes_no_sense_is_counted_as_unread(tmp_path, marker):
    script(tmp_path, DOUBLING, {"code/requirements.txt": f"numpy; {marker}\nnumpy\n"})
    found: Any = load_model(tmp_path).describe()["requirements"]
    assert found == {"met": 1, "missing": [], "unread": 1}


def test_requirements_are_read_within_bounds(tmp_path):
    script(tmp_path, DOUBLING, {"code/requirements.txt": "nothere\n" * (MOST_LINES + 7)})
    found = read_requirements(tmp_path)
    assert found is not None
    assert len(found.missing) == MOST_LINES
    assert found.unread == 7
