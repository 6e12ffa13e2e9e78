"""`mme export`: an artifact that serves, its report, and exit codes."""

from __future__ import annotations

import json
import tarfile

import pytest

from mme.cli.main import main
from models.Embedding.miniature import write_miniature
from models.registry import load_model
from models.serving import Request

SENTENCES = "tax on electricity\n\nelectricity\ntax tax on\n"


@pytest.fixture
def folder(tmp_path):
    """A model folder with an ONNX file."""
    made = tmp_path / "hub"
    made.mkdir()
    write_miniature(made)
    (made / "Embedding-model").rename(made / "model.onnx")
    (made / "Embedding-params.json").unlink()
    (tmp_path / "sentences.txt").write_text(SENTENCES)
    return made


@pytest.fixture
def export(folder, tmp_path, capsys):
    """Exit code, output, what was said; the artifact is `made.tar.gz`."""

    def run(*arguments):
        output, sentences = tmp_path / "out" / "made.tar.gz", tmp_path / "sentences.txt"
        options = ["--output", str(output), "--sentences", str(sentences), *arguments]
        code = main(["export", str(folder), *options])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_an_artifact_is_made_that_serves(export, tmp_path):
    code, out, _ = export("--set", "pooling=cls", "--set", "normalize=false")
    assert code == 0
    assert "made.tar.gz: " in out
    with tarfile.open(tmp_path / "out" / "made.tar.gz") as packed:
        packed.extractall(tmp_path / "unpacked", filter="data")
    model = load_model(tmp_path / "unpacked", tmp_path / "mapped")
    answer = model.predict(Request("text/plain", None, b"electricity on"))
    assert json.loads(answer.body) == {"embeddings": [[2, -1]]}


def test_eight_bits_are_compared_with_the_full_model(export, tmp_path):
    report = tmp_path / "report.json"
    code, out, _ = export("--quantize", "int8", "--report", str(report), "--json")
    assert code == 0
    found = json.loads(out)
    assert json.loads(report.read_text()) == found
    assert found["texts"] == 3
    assert 0.9 < found["cosine_worst"] <= found["cosine_mean"] < 1.0001
    assert found["quantized"].keys() == found["full"].keys()
    assert found["archive_bytes"] == (tmp_path / "out" / "made.tar.gz").stat().st_size


def test_what_cannot_be_exported_is_told(export, folder, tmp_path):
    (folder / "tokenizer.json").unlink()
    code, _, said = export()
    assert code == 1
    assert said.startswith("mme export: ")
    assert "there is no tokenizer.json" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("setting", ["pooling", "=cls"])
def test_a_setting_that_is_none_is_told(export, setting):
    code, _, said = export("--set", setting)
    assert code == 2
    assert "is not KEY=VALUE" in said


def test_sentences_must_be_there(export, tmp_path):
    (tmp_path / "sentences.txt").write_text("\n")
    assert export()[0] == 2
