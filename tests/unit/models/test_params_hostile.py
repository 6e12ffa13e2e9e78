"""Parameters that are no parameters: every family refuses them in few words, and names no path."""

from __future__ import annotations

import json
import sys

import pytest

from models.errors import ArtifactError
from models.registry import load_model
from tests.unit.models.conftest import PARAMS

pytestmark = [pytest.mark.hostile("parameters"), pytest.mark.timeout(20)]

DEEP = 100_000
FILES = {
    "nothing": b"",
    "no object": b"[1]",
    "lists in lists": b"[" * DEEP,
    "objects in objects": b'{"a":' * DEEP,
    "objects in objects that end": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "a number of 5,000 digits": b'{"language": ' + b"9" * 5000 + b"}",
    "bytes that are no text": b'{"language": "\xff\xfe"}',
    "an archive": b"\x1f\x8b\x08\x00",
    "cut off": b'{"language": "de"',
    "more than is taken": b" " * (16 * 1024 * 1024 + 1),
}


@pytest.mark.parametrize("family", PARAMS)
@pytest.mark.parametrize("name", FILES)
def test_a_file_that_holds_no_parameters_is_refused(tmp_path, family, name):
    (tmp_path / f"{family}-params.json").write_bytes(FILES[name])
    with pytest.raises(ArtifactError, match=f"{family}-params.json: ") as caught:
        load_model(tmp_path)
    assert len(caught.value.message) < 400
    assert str(tmp_path) not in caught.value.message


NUMBERS = ["NaN", "Infinity", "-Infinity", "1e999", "-1", "9" * 4000, '"' + "9" * 5000 + '"',
           '"1e999"', '"0x10"', '"1_0_"', "[1]", "{}", "true", '"' + "x" * 100_000 + '"',
           "[" * 900 + "]" * 900]  # fmt: skip
KEYS = {"TopicalPageRank": "window", "DocSim": "max_token_length", "Search": "top_k"}


@pytest.mark.parametrize("family", PARAMS)
@pytest.mark.parametrize("value", NUMBERS, ids=range(len(NUMBERS)))
def test_what_is_no_number_of_a_parameter_is_refused(tmp_path, family, value):
    rest = json.dumps(PARAMS[family] | {KEYS[family]: "VALUE"}).replace('"VALUE"', value)
    (tmp_path / f"{family}-params.json").write_text(rest)
    with pytest.raises(ArtifactError, match=rf"-params\.json: {KEYS[family]} is ") as caught:
        load_model(tmp_path)
    assert len(caught.value.message) < 400


PIPELINES = ["/etc/passwd", "../../evil", ".", "./evil", "evil.py", "os", "os.path", "models",
             "json", "numpy", "pip", "http://a.de/x.whl", "file:///evil", "de\0", "evil\n", "",
             " ", "-m", "a" * 100_000, 1, None, ["de"], {"a": "b"}]  # fmt: skip


@pytest.mark.parametrize("value", PIPELINES, ids=range(len(PIPELINES)))
def test_a_pipeline_is_no_path_module_or_address(tmp_path, monkeypatch, value):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil").mkdir()
    for path in (tmp_path / "evil.py", tmp_path / "evil" / "__init__.py"):
        path.write_text("raise SystemExit('it was imported')")
    (tmp_path / "evil" / "config.cfg").write_text("[nlp]\nlang = 'de'\n")
    params = PARAMS["TopicalPageRank"] | {"spacy_pipeline": value}
    (tmp_path / "TopicalPageRank-params.json").write_text(json.dumps(params))
    modules = set(sys.modules)
    with pytest.raises(ArtifactError, match="spacy_pipeline") as caught:
        load_model(tmp_path)
    assert len(caught.value.message) < 400
    assert set(sys.modules) == modules


LANGUAGES = ["../de", "de/../en", "de\0", "DE", "os", "x" * 100_000, "de=os", ".", "__init__", 7]


@pytest.mark.parametrize("family", PARAMS)
@pytest.mark.parametrize("value", LANGUAGES, ids=range(len(LANGUAGES)))
def test_a_language_is_no_path_and_no_module(tmp_path, family, value):
    params = PARAMS[family] | {"language": value}
    (tmp_path / f"{family}-params.json").write_text(json.dumps(params))
    modules = set(sys.modules)
    with pytest.raises(ArtifactError) as caught:
        load_model(tmp_path)
    assert len(caught.value.message) < 500
    assert set(sys.modules) == modules
