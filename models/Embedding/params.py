"""The parameters of an Embedding artifact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.encoding.encoders import ENCODERS
from models.errors import ArtifactError, shorten

if TYPE_CHECKING:
    from collections.abc import Mapping

    from models.params import Params

FAMILY = "Embedding"
PARAMS_FILE, MODEL_FILE, TOKENIZER_FILE = (
    "Embedding-params.json",
    "Embedding-model",
    "tokenizer.json",
)
ONNX = "onnx"
MEAN, CLS, NONE = "mean", "cls", "none"
POOLINGS = (MEAN, CLS, NONE)
QUERY, PASSAGE = "query", "passage"
"""Kinds of texts: what is looked for or compared, and what may be found."""
INPUT_TYPES = (QUERY, PASSAGE)
MOST_PREFIX_CHARS = 1000
AUTO, CPU = "auto", "cpu"
LEAST_TOKENS, MOST_TOKENS = 8, 8192
DEFAULT_TOKENS = 256
DEFAULT_MAX_CHARS = 1_000_000
DEFAULT_MAX_TEXTS = 1000


@dataclass(frozen=True, slots=True)
class EmbeddingParams:
    """What the parameters say, checked."""

    engine: str
    """ONNX, or the name of an encoder."""
    language: str
    pooling: str
    """How a text's vector is made of its tokens': one of POOLINGS; NONE: the model does it."""
    normalizes: bool
    """Whether vectors are made 1 long."""
    max_tokens: int
    """Longer texts are cut there, special tokens counted."""
    prefixes: Mapping[str, str]
    """For each kind of text what is put before it, for models that were trained so."""
    output: str | None
    """The name of the model's output; None: the one that fits, or the first."""
    provider: str
    """AUTO: what computes fastest here; CPU."""
    max_chars: int
    """The most characters of a text, and of all texts of a request together."""
    max_texts: int
    """The most texts of a request."""


def parse_params(params: Params) -> EmbeddingParams:
    """Check the parameters; ArtifactError names file, key and value."""
    output = params.values.get("output")
    if output is not None:
        output = params.text("output")
    return EmbeddingParams(
        engine=params.choice("engine", (ONNX, *ENCODERS), ONNX),
        language=params.text("language", "any"),
        pooling=params.choice("pooling", POOLINGS, MEAN),
        normalizes=params.flag("normalize", default=True),
        max_tokens=params.whole_number(
            "max_tokens", DEFAULT_TOKENS, minimum=LEAST_TOKENS, maximum=MOST_TOKENS
        ),
        prefixes={QUERY: _prefix(params, "prefix"), PASSAGE: _prefix(params, "passage_prefix")},
        output=output,
        provider=params.choice("provider", (AUTO, CPU), AUTO),
        max_chars=params.whole_number("max_chars", DEFAULT_MAX_CHARS),
        max_texts=params.whole_number("max_texts", DEFAULT_MAX_TEXTS, maximum=100_000),
    )


def _prefix(params: Params, key: str) -> str:
    value = params.values.get(key, "")
    if not isinstance(value, str) or len(value) > MOST_PREFIX_CHARS or "\0" in value:
        raise ArtifactError(
            params.file,
            f"{key} is {shorten(value)}: it must be a string of {MOST_PREFIX_CHARS} characters at"
            " most",
        )
    return value
