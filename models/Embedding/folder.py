"""Model folders as Hugging Face and sentence-transformers lay them out: what is in one.

Which files hold the model, the tokenizer and the weights, and what the configurations say of
pooling, normalizing, lengths and prefixes. Writing an artifact of it is for `export`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from models.Embedding.params import (
    CLS,
    DEFAULT_TOKENS,
    LEAST_TOKENS,
    MEAN,
    MOST_TOKENS,
    TOKENIZER_FILE,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

USUAL_ONNX = ("model.onnx", "onnx/model.onnx")
CONFIG_FILE = "config.json"
WEIGHTS_FILES = SAFETENSORS, TORCH = "model.safetensors", "pytorch_model.bin"
POOLING_KEYS = {"pooling_mode_mean_tokens": MEAN, "pooling_mode_cls_token": CLS}
KNOWN_MODULES = ("Transformer", "Pooling", "Normalize")
PROMPTS = {"prefix": ("query",), "passage_prefix": ("passage", "document")}


class NotExportable(ValueError):
    """A folder no artifact can be made of; the message says why and what to do."""


class ModelFolder:
    """One folder. Raises NotExportable."""

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise NotExportable(f"{path}: there is no such folder")
        self._path = path
        self.config = self._read(CONFIG_FILE)
        self._modules = self._read_modules()

    def onnx(self, name: str | None = None) -> Path | None:
        """The ONNX file: the one called `name`, the usual one, or the only one; None: none."""
        if name is not None:
            if not (self._path / name).is_file():
                raise NotExportable(f"{self._path}: there is no {name}")
            return self._path / name
        found = [self._path / usual for usual in USUAL_ONNX if (self._path / usual).is_file()]
        found = found or sorted(self._path.rglob("*.onnx"))
        if len(found) > 1:
            names = ", ".join(str(path.relative_to(self._path)) for path in found[:10])
            raise NotExportable(
                f"{self._path}: which ONNX file? Say --onnx NAME; there are {names}"
            )
        return found[0] if found else None

    def weights(self) -> Path:
        """The file of its weights: one of WEIGHTS_FILES, the first that is there."""
        for name in WEIGHTS_FILES:
            if (self._path / name).is_file():
                return self._path / name
        raise NotExportable(
            f"{self._path}: there is neither an ONNX file nor {' nor '.join(WEIGHTS_FILES)}"
        )

    def tokenizer(self) -> Path:
        """The file of its tokenizer."""
        path = self._path / TOKENIZER_FILE
        if not path.is_file():
            raise NotExportable(
                f"{self._path}: there is no {TOKENIZER_FILE}; transformers writes one:"
                " AutoTokenizer.from_pretrained(FOLDER, use_fast=True).save_pretrained(FOLDER)"
            )
        return path

    def params(self) -> dict[str, Any]:
        """What the configurations say, as parameters of an artifact."""
        prompts = self._read("config_sentence_transformers.json").get("prompts")
        found: dict[str, Any] = {
            "pooling": self._pooling(),
            "normalize": not self._modules or "Normalize" in self._modules,
            "max_tokens": self._max_tokens(),
        }
        for key, names in PROMPTS.items():
            texts = [prompts.get(name) for name in names] if isinstance(prompts, dict) else []
            for text in texts:
                if isinstance(text, str) and text:
                    found[key] = text
        return found

    def _pooling(self) -> str:
        said = self._read("1_Pooling/config.json")
        if not said:
            return MEAN
        on = [
            key for key, value in said.items() if key.startswith("pooling_mode_") and value is True
        ]
        if len(on) != 1 or on[0] not in POOLING_KEYS:
            raise NotExportable(
                f"{self._path}: its pooling is {', '.join(on) or 'none'}; mean and cls are known"
            )
        return POOLING_KEYS[on[0]]

    def _max_tokens(self) -> int:
        """The least of what the configurations say; a table of positions may be larger."""
        offset = 0 if self.config.get("model_type") == "bert" else 2
        places = self.config.get("max_position_embeddings")
        said = [
            self._read("sentence_bert_config.json").get("max_seq_length"),
            self._read("tokenizer_config.json").get("model_max_length"),
            places - offset if isinstance(places, int) else None,
        ]
        known = [n for n in said if isinstance(n, int) and LEAST_TOKENS <= n <= MOST_TOKENS]
        return min(known, default=DEFAULT_TOKENS)

    def _read_modules(self) -> list[str]:
        """The kinds of sentence-transformers' modules; empty: it says nothing of them."""
        path = self._path / "modules.json"
        if not path.is_file():
            return []
        try:
            kinds = [str(each["type"]).rpartition(".")[2] for each in json.loads(path.read_bytes())]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise NotExportable(f"{path}: cannot be read: {error}") from error
        if others := [kind for kind in kinds if kind not in KNOWN_MODULES]:
            raise NotExportable(
                f"{self._path}: has a module {others[0]}; {', '.join(KNOWN_MODULES)} are known"
            )
        return kinds

    def _read(self, name: str) -> Mapping[str, Any]:
        """One of its configurations; empty if it is not there."""
        path = self._path / name
        if not path.is_file():
            return {}
        try:
            said = json.loads(path.read_bytes())
        except (ValueError, RecursionError) as error:
            raise NotExportable(f"{path}: is not JSON: {error}") from error
        return said if isinstance(said, dict) else {}
