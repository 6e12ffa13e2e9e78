"""Artifacts made of model folders: the graph is the encoder's, int8 is near it, faults are told."""

from __future__ import annotations

import json
import math
import struct

import numpy as np
import pytest

from models.Embedding.bert import BertWriter, CannotWrite, Shape
from models.Embedding.comparison import compare
from models.Embedding.export import Wanted, export, quantize
from models.Embedding.folder import NotExportable
from models.Embedding.miniature import write_miniature
from models.registry import load_model
from models.serving import Request

SIZE, HEADS, LAYERS, WIDE, WORDS, PLACES = 8, 2, 2, 16, 12, 20
CONFIG = {
    "model_type": "bert", "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
    "hidden_size": SIZE, "layer_norm_eps": 1e-12, "hidden_act": "gelu",
    "max_position_embeddings": PLACES, "pad_token_id": 0,
}  # fmt: skip
TEXTS = ["tax on", "electricity tax on on electricity", "on", "electricity electricity tax"]


def weights(seed=3):
    chance = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (WORDS, SIZE),
        "embeddings.position_embeddings.weight": (PLACES, SIZE),
        "embeddings.token_type_embeddings.weight": (2, SIZE),
    }
    for number in range(LAYERS):
        name = f"encoder.layer.{number}."
        for part in ("query", "key", "value"):
            shapes[f"{name}attention.self.{part}.weight"] = (SIZE, SIZE)
        shapes[f"{name}attention.output.dense.weight"] = (SIZE, SIZE)
        shapes[f"{name}intermediate.dense.weight"] = (WIDE, SIZE)
        shapes[f"{name}output.dense.weight"] = (SIZE, WIDE)
        for part in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes[f"{name}{part}.weight"] = (SIZE,)
    shapes["embeddings.LayerNorm.weight"] = (SIZE,)
    for name in [name for name in shapes if "embeddings.weight" not in name]:
        if name.startswith("encoder") or "LayerNorm" in name:
            shapes[name.replace(".weight", ".bias")] = shapes[name][:1]
    return {name: chance.normal(0, 0.4, shape).astype(np.float32) for name, shape in shapes.items()}


def write_safetensors(path, tensors, kind="F32"):
    header, blobs, offset = {}, [], 0
    for name, array in tensors.items():
        if kind == "BF16":
            blob = (array.view(np.uint32) >> 16).astype("<u2").tobytes()
        else:
            blob = array.astype("<f2" if kind == "F16" else "<f4").tobytes()
        header[name] = {
            "dtype": kind, "shape": list(array.shape), "data_offsets": [offset, offset + len(blob)],
        }  # fmt: skip
        offset += len(blob)
        blobs.append(blob)
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


@pytest.fixture
def folder(tmp_path):
    """A folder as sentence-transformers writes it, with weights only."""
    made = tmp_path / "hub"
    made.mkdir()
    write_miniature(made)
    (made / "Embedding-model").unlink()
    (made / "Embedding-params.json").unlink()
    (made / "config.json").write_text(json.dumps(CONFIG))
    write_safetensors(made / "model.safetensors", weights())
    return made


def embedded(artifact, texts=TEXTS):
    model = load_model(artifact, artifact.parent / "scratch")
    body = json.dumps({"texts": texts}).encode()
    answer = model.predict(Request("application/json", None, body))
    return np.array(json.loads(answer.body)["embeddings"])


# ---- the same in NumPy, one text after the other


def normed(name, x, tensors):
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
    return x * tensors[f"{name}.weight"] + tensors[f"{name}.bias"]


def dense(name, x, tensors):
    return x @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]


def states_of(ids, tensors, first_place=0):
    places = tensors["embeddings.position_embeddings.weight"][first_place:][: len(ids)]
    x = tensors["embeddings.word_embeddings.weight"][ids] + places
    x = normed(
        "embeddings.LayerNorm", x + tensors["embeddings.token_type_embeddings.weight"][0], tensors
    )
    for number in range(LAYERS):
        name = f"encoder.layer.{number}."
        parts = [dense(f"{name}attention.self.{p}", x, tensors) for p in ("query", "key", "value")]
        mixed = []
        for head in range(HEADS):
            span = slice(head * SIZE // HEADS, (head + 1) * SIZE // HEADS)
            query, key, value = (part[:, span] for part in parts)
            scores = query @ key.T / math.sqrt(SIZE // HEADS)
            shares = np.exp(scores - scores.max(-1, keepdims=True))
            mixed.append(shares / shares.sum(-1, keepdims=True) @ value)
        attended = dense(f"{name}attention.output.dense", np.hstack(mixed), tensors)
        x = normed(f"{name}attention.output.LayerNorm", x + attended, tensors)
        wide = dense(f"{name}intermediate.dense", x, tensors)
        wide = wide * 0.5 * (1 + np.vectorize(math.erf)(wide / math.sqrt(2)))
        x = normed(
            f"{name}output.LayerNorm", x + dense(f"{name}output.dense", wide, tensors), tensors
        )
    return x


def expected(texts, first_place=0):
    words = {"tax": 2, "on": 3, "electricity": 4}
    found = [
        states_of([words[word] for word in text.split()], weights(), first_place).mean(0)
        for text in texts
    ]
    return np.array([vector / np.linalg.norm(vector) for vector in found])


@pytest.mark.parametrize("prefix", ["", "bert.", "model."])
def test_a_graph_written_here_is_the_encoder(folder, tmp_path, prefix):
    named = {prefix + name: array for name, array in weights().items()}
    write_safetensors(folder / "model.safetensors", named)
    export(Wanted(folder), tmp_path / "artifact")
    np.testing.assert_allclose(embedded(tmp_path / "artifact"), expected(TEXTS), atol=2e-6)


def test_where_positions_are_counted_they_begin_behind_the_pad(folder, tmp_path):
    config = CONFIG | {"model_type": "xlm-roberta", "pad_token_id": 1}
    (folder / "config.json").write_text(json.dumps(config))
    export(Wanted(folder), tmp_path / "artifact")
    found = embedded(tmp_path / "artifact")
    np.testing.assert_allclose(found, expected(TEXTS, first_place=2), atol=2e-6)


@pytest.mark.parametrize("kind", ["F16", "BF16"])
def test_weights_of_half_size_are_read(folder, tmp_path, kind):
    write_safetensors(folder / "model.safetensors", weights(), kind)
    export(Wanted(folder), tmp_path / "artifact")
    cosines = (embedded(tmp_path / "artifact") * expected(TEXTS)).sum(axis=1)
    assert cosines.min() > 0.999


def test_what_the_folder_says_becomes_parameters(folder, tmp_path):
    (folder / "modules.json").write_text(
        json.dumps(
            [
                {"type": f"sentence_transformers.models.{name}"}
                for name in ("Transformer", "Pooling")
            ]
        )
    )
    (folder / "1_Pooling").mkdir()
    pooling = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 12}))
    prompts = {"prompts": {"query": "query: ", "document": "passage: "}}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    params = export(Wanted(folder, params={"language": "en"}), tmp_path / "artifact")
    assert params == {
        "engine": "onnx", "pooling": "cls", "normalize": False, "max_tokens": 12,
        "prefix": "query: ", "passage_prefix": "passage: ", "language": "en",
    }  # fmt: skip
    assert json.loads((tmp_path / "artifact" / "Embedding-params.json").read_text()) == params


def test_a_text_is_cut_where_positions_end(folder, tmp_path):
    assert export(Wanted(folder), tmp_path / "artifact")["max_tokens"] == PLACES
    assert embedded(tmp_path / "artifact", ["tax " * 100]).shape == (1, SIZE)


def test_an_onnx_file_in_the_folder_is_taken_as_it_is(folder, tmp_path):
    source = tmp_path / "other"
    source.mkdir()
    write_miniature(source)
    (folder / "onnx").mkdir()
    (source / "Embedding-model").rename(folder / "onnx" / "model.onnx")
    export(Wanted(folder, params={"normalize": False}), tmp_path / "artifact")
    assert embedded(tmp_path / "artifact", ["electricity"]).tolist() == [[2, -1]]


def test_of_several_onnx_files_one_must_be_named(folder, tmp_path):
    for name in ("a.onnx", "b.onnx"):
        (folder / name).write_bytes(b"")
    with pytest.raises(NotExportable, match=r"which ONNX file.* a\.onnx, b\.onnx"):
        export(Wanted(folder), tmp_path / "artifact")
    with pytest.raises(NotExportable, match=r"there is no c\.onnx"):
        export(Wanted(folder, "c.onnx"), tmp_path / "artifact")


def test_eight_bits_are_a_quarter_and_near(folder, tmp_path):
    full, small = tmp_path / "full", tmp_path / "small"
    export(Wanted(folder), full)
    quantize(full, small)
    report = compare(full, small, tmp_path / "mapped", TEXTS)
    assert report["cosine_worst"] <= report["cosine_mean"] <= 1
    assert report["cosine_worst"] > 0.97
    assert report["worst_text"] in TEXTS
    assert report["full"]["model_bytes"] == (full / "Embedding-model").stat().st_size
    cosines = (embedded(small) * expected(TEXTS)).sum(axis=1)
    assert math.isclose(cosines.min(), report["cosine_worst"], abs_tol=1e-5)


@pytest.mark.parametrize(
    ("config", "wrong"),
    [
        ({"model_type": "t5"}, "model_type is 't5'.*optimum"),
        ({"hidden_act": "silu"}, "hidden_act 'silu'"),
        ({"num_attention_heads": 3}, "8 numbers for 3 heads"),
        ({"num_hidden_layers": 3}, "no encoder.layer.2."),
        ({"num_hidden_layers": None}, "config.json"),
        ({"position_embedding_type": "relative_key"}, "must be absolute"),
    ],
)
def test_an_encoder_that_cannot_be_written_is_told_with_what_to_do(folder, tmp_path, config, wrong):
    (folder / "config.json").write_text(json.dumps(CONFIG | config))
    with pytest.raises(NotExportable, match=wrong):
        export(Wanted(folder), tmp_path / "artifact")


@pytest.mark.parametrize(
    ("name", "content", "wrong"),
    [
        ("tokenizer.json", None, "there is no tokenizer.json"),
        ("model.safetensors", None, "neither an ONNX file nor model.safetensors"),
        ("model.safetensors", b"\xff" * 64, "cannot be read"),
        ("config.json", b"{", "is not JSON"),
        ("modules.json", b'[{"type": "sentence_transformers.models.Dense"}]', "a module Dense"),
        ("modules.json", b"{", "cannot be read"),
        ("1_Pooling/config.json", b'{"pooling_mode_max_tokens": true}', "pooling_mode_max_tokens"),
    ],
)
def test_what_a_folder_lacks_is_told(folder, tmp_path, name, content, wrong):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(NotExportable, match=wrong):
        export(Wanted(folder), tmp_path / "artifact")


@pytest.mark.hostile("artifacts")
@pytest.mark.parametrize(
    "entry",
    [
        5,
        {},
        {"dtype": "F32", "shape": 5, "data_offsets": [0, 4]},
        {"dtype": [], "shape": [1], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": ["a"], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [10**30], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1], "data_offsets": ["a", "b"]},
        {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]},
        {"dtype": "F32", "shape": [1], "data_offsets": [8, 4]},
        {"dtype": "F32", "shape": [1], "data_offsets": [0, 10**30]},
        {"dtype": "F32", "shape": [10**9], "data_offsets": [0, 4 * 10**9]},
    ],
)
def test_a_weight_that_is_not_where_it_is_said_to_be_is_refused(folder, tmp_path, entry):
    text = json.dumps({"embeddings.word_embeddings.weight": entry}).encode()
    content = struct.pack("<Q", len(text)) + text + bytes(16)
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(NotExportable, match=r"model\.safetensors: cannot be read"):
        export(Wanted(folder), tmp_path / "artifact")


@pytest.mark.hostile("artifacts")
@pytest.mark.parametrize("content", [b"5", b"[" * 100_000])
def test_a_header_of_weights_that_is_none_is_refused(folder, tmp_path, content):
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(content)) + content)
    with pytest.raises(NotExportable, match="is no safetensors file"):
        export(Wanted(folder), tmp_path / "artifact")


def test_parameters_are_checked_before_anything_is_made(folder, tmp_path):
    with pytest.raises(NotExportable, match="pooling is 'max'"):
        export(Wanted(folder, params={"pooling": "max"}), tmp_path / "artifact")
    assert not (tmp_path / "artifact").exists()


def test_a_weight_that_is_missing_is_named():
    def none(name):
        raise CannotWrite(name)

    with pytest.raises(CannotWrite, match="word_embeddings"):
        BertWriter(Shape.of(CONFIG), none).write()
