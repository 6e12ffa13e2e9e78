"""What a loaded model takes of its process: one core, no thread, and weights that are mapped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.Embedding.miniature import write_miniature
from models.Embedding.onnx_writer import FLOAT, INT64, Graph
from models.onnx import running
from models.onnx.conversion import WEIGHTS_FILE
from models.registry import load_model
from models.serving import Request

SIZE, WORDS = 256, 5
TEXT = Request("text/plain", None, b"tax on electricity")


def wide() -> bytes:
    """A graph whose words go through a square of weights: 256 KiB."""
    graph = Graph()
    ids = graph.input("input_ids", INT64, ("batch", "tokens"))
    chance = np.random.default_rng(1)
    words = graph.constant("words", chance.normal(size=(WORDS, SIZE)).astype(np.float32))
    square = graph.constant("square", chance.normal(size=(SIZE, SIZE)).astype(np.float32))
    graph.node("Gather", [words, ids], ["looked_up"])
    graph.node("MatMul", ["looked_up", square], ["last_hidden_state"])
    graph.output("last_hidden_state", FLOAT, ("batch", "tokens", SIZE))
    return graph.file()


@pytest.fixture
def artifact(tmp_path):
    folder = tmp_path / "artifact"
    folder.mkdir()
    write_miniature(folder)
    (folder / "Embedding-model").write_bytes(wide())
    return folder


def mappings(name):
    """What this process has mapped of files of a name: kB by kind, for each mapping."""
    found: list[dict[str, int]] = []
    is_ours = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        key, _, rest = line.partition(":")
        if not key.istitle() and "-" in key.split()[0]:
            is_ours = line.endswith(name)
            if is_ours:
                found.append({})
        elif is_ours and rest.endswith(" kB"):
            found[-1][key] = int(rest.split()[0])
    return found


def test_a_session_has_one_core_and_goes_step_by_step():
    made = running.options({}, optimizes=True)
    assert (made.intra_op_num_threads, made.inter_op_num_threads) == (1, 1)
    assert made.execution_mode == running.library("onnxruntime").ExecutionMode.ORT_SEQUENTIAL


def test_loading_and_computing_start_no_thread(artifact, tmp_path):
    running.library("onnxruntime")
    tasks = Path("/proc/self/task")
    before = len([*tasks.iterdir()])
    model = load_model(artifact, tmp_path / "scratch")
    load_model(artifact, tmp_path / "scratch").predict(TEXT)
    assert len([*tasks.iterdir()]) == before
    model.predict(TEXT)


def test_weights_are_mapped_and_no_page_of_them_is_a_process_s_own(artifact, tmp_path):
    scratch = tmp_path / "scratch"
    answers = [load_model(artifact, scratch).predict(TEXT).body for _ in range(2)]
    model = load_model(artifact, scratch)
    answers.append(model.predict(TEXT).body)
    assert len(set(answers)) == 1
    found = [each for each in mappings(f"/{WEIGHTS_FILE}") if each["Rss"]]
    assert sum(each["Rss"] for each in found) >= SIZE * SIZE * 4 / 1024
    assert sum(each["Anonymous"] for each in found) == 0
