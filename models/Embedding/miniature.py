"""The smallest model there can be: two numbers a word, looked up; for rehearsals and tests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from models.Embedding.onnx_writer import FLOAT, INT64, Graph
from models.Embedding.params import MODEL_FILE, PARAMS_FILE, TOKENIZER_FILE

if TYPE_CHECKING:
    from pathlib import Path

WORDS = ("[PAD]", "[UNK]", "tax", "on", "electricity")


def write_miniature(folder: Path) -> None:
    """Write the three files of an artifact."""
    # On the processor: rehearsals are in processes that will be forked.
    params = {"engine": "onnx", "pooling": "mean", "max_tokens": 16, "provider": "cpu"}
    (folder / PARAMS_FILE).write_text(json.dumps(params), encoding="utf-8")
    (folder / MODEL_FILE).write_bytes(_graph())
    (folder / TOKENIZER_FILE).write_text(json.dumps(_tokenizer()), encoding="utf-8")


def _graph() -> bytes:
    graph = Graph()
    ids = graph.input("input_ids", INT64, ("batch", "tokens"))
    graph.input("attention_mask", INT64, ("batch", "tokens"))
    vectors = np.array([[0, 0], [1, 1], [1, 0], [0, 1], [2, -1]], np.float32)
    graph.node("Gather", [graph.constant("words", vectors), ids], ["last_hidden_state"])
    graph.output("last_hidden_state", FLOAT, ("batch", "tokens", 2))
    return graph.file()


def _tokenizer() -> dict[str, object]:
    vocabulary = {word: number for number, word in enumerate(WORDS)}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"},
    }
