"""Choosing a GPU, and doing without where it cannot be used. No test here has a GPU."""

from __future__ import annotations

import json
import logging

import pytest

from models import warm_up as preparing
from models.Embedding.miniature import write_miniature
from models.errors import ArtifactError, NoRoom
from models.onnx import gpu, running
from models.onnx.gpu import CUDA, can_open, is_wanted
from models.onnx.running import CPU_PROVIDER
from models.registry import load_model
from models.serving import Request
from models.warm_up import warm_up

BOTH = [CUDA, CPU_PROVIDER]


class Session:
    def __init__(self, providers):
        self._providers = providers

    def get_providers(self):
        return self._providers


@pytest.fixture
def with_gpu(monkeypatch, tmp_path):
    """A library that knows CUDA, a device that opens, and nothing said yet."""
    device = tmp_path / "nvidiactl"
    device.touch()
    monkeypatch.setattr(running.library("onnxruntime"), "get_available_providers", lambda: BOTH)
    monkeypatch.setattr(gpu, "can_open", lambda: can_open(device))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    gpu._has_warned.clear()
    return device


@pytest.mark.parametrize(
    ("wanted", "available", "has_device", "tried"),
    [
        ("auto", BOTH, True, True),
        ("auto", BOTH, False, False),
        ("auto", [CPU_PROVIDER], True, False),
        ("cpu", BOTH, True, False),
    ],
)
def test_a_gpu_is_tried_if_all_there_is_to_it_is_there(wanted, available, has_device, tried):
    assert is_wanted(wanted, available, has_device=has_device) is tried


def test_a_device_can_be_used_if_it_opens_and_is_not_hidden(tmp_path, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert not can_open(tmp_path / "none")
    (tmp_path / "device").touch()
    assert can_open(tmp_path / "device")
    for value, is_usable in (("", False), ("-1", False), ("0,1", True)):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
        assert can_open(tmp_path / "device") is is_usable


def test_the_session_of_a_gpu_is_taken(with_gpu):
    asked = []

    def make(providers):
        asked.append(providers)
        return Session(BOTH)

    made = gpu.session("auto", make)
    assert made is not None
    assert made.get_providers() == BOTH
    assert asked == [BOTH]
    assert gpu.session("cpu", make) is None
    with_gpu.unlink()
    assert gpu.session("auto", make) is None
    assert asked == [BOTH]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ArtifactError("Embedding-model", "CUDA failure 35"), "CUDA failure 35"),
        (NoRoom("There is not enough memory"), "not enough memory"),
        (None, "the library has not taken it"),
    ],
)
@pytest.mark.usefixtures("with_gpu")
def test_a_gpu_that_cannot_be_used_is_told_once(error, reason, caplog):
    def make(_):
        if error is not None:
            raise error
        return Session([CPU_PROVIDER])

    with caplog.at_level(logging.WARNING):
        assert gpu.session("auto", make) is None
        assert gpu.session("auto", make) is None
    (said,) = [each.getMessage() for each in caplog.records]
    assert said.startswith("cannot compute on the GPU, so the processor does: ")
    assert reason in said


@pytest.mark.usefixtures("with_gpu")
def test_the_processor_computes_where_the_library_s_gpu_fails(tmp_path, caplog):
    artifact = tmp_path / "artifact"
    artifact.mkdir()
    write_miniature(artifact)
    params = json.loads((artifact / "Embedding-params.json").read_text())
    (artifact / "Embedding-params.json").write_text(json.dumps(params | {"provider": "auto"}))
    for scratch in (tmp_path / "scratch", tmp_path / "scratch", None):
        model = load_model(artifact, scratch)
        answer = model.predict(Request("text/plain", None, b"tax"))
        assert json.loads(answer.body) == {"embeddings": [[1, 0]]}
    assert len([each for each in caplog.records if "GPU" in each.getMessage()]) == 1


@pytest.mark.usefixtures("with_gpu")
def test_a_process_that_will_be_forked_starts_no_gpu(monkeypatch):
    tried = []
    real = running.session

    def noted(model, chosen, on=(CPU_PROVIDER,)):
        tried.append([*on])
        return real(model, chosen, on)

    monkeypatch.setattr(running, "session", noted)
    assert preparing.EMBEDDING == "Embedding"
    warm_up([])
    assert tried
    assert all(CUDA not in each for each in tried)
