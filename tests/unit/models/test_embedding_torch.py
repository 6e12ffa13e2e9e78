"""Weights in the form in which torch saves them, read without it.

The files here are written as torch writes them, by its description; no test has torch.
"""

from __future__ import annotations

import collections
import io
import json
import pickle
import sys
import types
import zipfile

import numpy as np
import pytest

from models.Embedding import torch_file
from models.Embedding.export import Wanted, export
from models.Embedding.folder import NotExportable
from models.Embedding.torch_file import TorchTensors
from tests.unit.models.test_embedding_export import CONFIG, TEXTS, embedded, expected, weights
from tests.unit.models.test_embedding_export import folder as hub_folder

folder = hub_folder
STORAGES = {"F32": "FloatStorage", "F16": "HalfStorage", "BF16": "BFloat16Storage"}


class Tensor:
    """What is pickled as torch pickles a tensor."""

    def __init__(self, key, shape, offset=0, strides=None):
        self.key, self.shape, self.offset = key, tuple(shape), offset
        steps = np.cumprod([1, *reversed(self.shape)])[:-1].tolist()
        self.strides = tuple(reversed(steps)) if strides is None else strides


class Stored:
    def __init__(self, kind, key):
        self.kind, self.key = kind, key


@pytest.fixture
def torch(monkeypatch):
    """Modules that have torch's names, for as long as something is pickled."""
    package, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in (*STORAGES.values(), "LongStorage"):
        setattr(package, name, type(name, (), {"__module__": "torch"}))

    def _rebuild_tensor_v2():
        raise AssertionError

    _rebuild_tensor_v2.__module__ = "torch._utils"
    _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
    vars(utils)["_rebuild_tensor_v2"] = _rebuild_tensor_v2
    monkeypatch.setitem(sys.modules, "torch", package)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)
    return package


def pickled(torch, said, kind):
    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            if isinstance(value, Stored):
                return ("storage", getattr(torch, value.kind), value.key, "cpu", 1)
            return None

        def reducer_override(self, value):
            if not isinstance(value, Tensor):
                return NotImplemented
            stored = Stored("LongStorage" if value.key == "long" else kind, value.key)
            hooks: collections.OrderedDict[str, str] = collections.OrderedDict()
            made = (stored, value.offset, value.shape, value.strides, False, hooks)
            return sys.modules["torch._utils"]._rebuild_tensor_v2, made

    out = io.BytesIO()
    Pickler(out, 2).dump(said)
    return out.getvalue()


def write_torch(path, torch, tensors, kind="F32", **changes):
    said: collections.OrderedDict[str, Tensor] = collections.OrderedDict()
    vars(said)["_metadata"] = {"": {"version": 1}}
    with zipfile.ZipFile(path, "w") as archive:
        for key, (name, array) in enumerate(tensors.items()):
            said[name] = Tensor(str(key), array.shape)
            if kind == "BF16":
                raw = (array.view(np.uint32) >> 16).astype("<u2").tobytes()
            else:
                raw = array.astype("<f2" if kind == "F16" else "<f4").tobytes()
            archive.writestr(f"archive/data/{key}", raw)
        said["embeddings.position_ids"] = Tensor("long", (1, 3))
        for name, tensor in changes.get("others", {}).items():
            said[name] = tensor
        archive.writestr("archive/data.pkl", pickled(torch, said, STORAGES[kind]))
        archive.writestr("archive/byteorder", changes.get("order", "little"))
        archive.writestr("archive/version", "3\n")


@pytest.mark.parametrize("kind", STORAGES)
def test_an_encoder_s_weights_are_read_from_torch_s_file(folder, tmp_path, torch, kind):
    (folder / "model.safetensors").unlink()
    write_torch(folder / "pytorch_model.bin", torch, weights(), kind)
    export(Wanted(folder), tmp_path / "artifact")
    cosines = (embedded(tmp_path / "artifact") * expected(TEXTS)).sum(axis=1)
    assert cosines.min() > (0.999999 if kind == "F32" else 0.999)


def test_safetensors_come_first(folder, tmp_path):
    (folder / "pytorch_model.bin").write_bytes(b"nothing")
    export(Wanted(folder), tmp_path / "artifact")
    np.testing.assert_allclose(embedded(tmp_path / "artifact"), expected(TEXTS), atol=2e-6)


def test_tensors_may_be_parts_of_one_storage(tmp_path, torch):
    path = tmp_path / "file"
    part = Tensor("0", (2,), offset=3)
    write_torch(path, torch, {"all": np.arange(6, dtype=np.float32)}, others={"part": part})
    found = TorchTensors(path)
    assert set(found.names()) == {"all", "part"}
    assert found.get("part").tolist() == [3, 4]


@pytest.mark.hostile("artifacts")
@pytest.mark.parametrize(
    ("tensor", "wrong"),
    [
        (Tensor("0", (2, 3), strides=(1, 2)), "in another order"),
        (Tensor("0", (7,)), "7 numbers in 24 bytes"),
        (Tensor("0", (2,), offset=5), "2 numbers in 24 bytes"),
        (Tensor("0", (10**12,)), "1000000000000 numbers"),
        (Tensor("9", (2,)), "cannot be read"),
    ],
)
def test_a_tensor_that_is_not_all_there_is_refused(tmp_path, torch, tensor, wrong):
    path = tmp_path / "file"
    numbers = {"all": np.arange(6, dtype=np.float32)}
    write_torch(path, torch, numbers, others={"wrong": tensor})
    with pytest.raises(ValueError, match=wrong):
        TorchTensors(path).get("wrong")


def archive_of(path, **files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"a/{name.replace('_', '.')}", content)


@pytest.mark.hostile("artifacts")
def test_what_is_no_such_file_is_refused_and_runs_nothing(tmp_path, torch, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(ValueError, match=r"torch 1\.6 or later"):
        TorchTensors(path)
    archive_of(path, other=b"")
    with pytest.raises(ValueError, match=r"0 files data\.pkl"):
        TorchTensors(path)
    for pickle_of in (
        pickle.dumps(print),
        pickle.dumps(sys.exit),
        b"cos\nsystem\n(S'true'\ntR.",
        b"ctorch._utils\n_rebuild_tensor_v2\n(I1\nI2\nI3\nI4\ntR.",
        b"Pname\n.",
        b"",
        b"(" * 1000,
    ):
        archive_of(path, data_pkl=pickle_of)
        with pytest.raises(ValueError, match=r"data\.pkl cannot be read"):
            TorchTensors(path)
    archive_of(path, data_pkl=pickle.dumps([1], 2))
    assert TorchTensors(path).names() == []
    write_torch(path, torch, {}, order="big")
    with pytest.raises(ValueError, match="another order"):
        TorchTensors(path)
    monkeypatch.setattr(torch_file, "MOST_PICKLE_BYTES", 10)
    write_torch(path, torch, {})
    with pytest.raises(ValueError, match="more than 10 bytes"):
        TorchTensors(path)


def test_a_folder_whose_file_cannot_be_read_is_told_so(folder, tmp_path):
    (folder / "model.safetensors").unlink()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    with pytest.raises(NotExportable, match=r"model\.safetensors nor pytorch_model\.bin"):
        export(Wanted(folder), tmp_path / "artifact")
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x02")
    with pytest.raises(NotExportable, match=r"pytorch_model\.bin: cannot be read: is no file"):
        export(Wanted(folder), tmp_path / "artifact")
