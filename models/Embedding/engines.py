"""What turns texts into vectors: a model of the artifact's own, or an encoder that is installed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from models.Embedding.params import (
    MODEL_FILE,
    NONE,
    ONNX,
    PARAMS_FILE,
    PASSAGE,
    TOKENIZER_FILE,
)
from models.Embedding.pooling import normalized, pooled
from models.Embedding.tokens import Tokenizer, Tokens
from models.encoding.encoders import KEY, NoEncoderError, encoder, installed_version
from models.errors import ArtifactError
from models.onnx import running
from models.onnx.conversion import converted
from models.serving import Batch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from models.Embedding.params import EmbeddingParams
    from models.Embedding.tokens import Padded

    Floats = NDArray[np.float32]

TOKENS_AT_ONCE = 512
"""Texts are computed together as long as they have no more tokens than this, padding counted.

More take a core longer than one after the other would: its cache is too small for them.
"""
TOKENS_AT_ONCE_ON_GPU = 16_384
MANY_TOKENS = 512
"""After so many the memory for intermediate results is given back."""
TEXTS_AT_ONCE = 64
CHARS_OF_TOKEN = 8
"""So many characters a token has at most, where nobody counts them."""
KINDS = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
MASK, IDS, SEGMENTS = "attention_mask", "input_ids", "token_type_ids"
FITTING = {NONE: ("sentence_embedding", "text_embeds", "pooler_output")}
"""Names of the output that fits a pooling; of tokens' vectors the usual ones are below."""
OF_TOKENS = ("last_hidden_state", "token_embeddings")
MOST_DIMENSIONS = 65_536
TOGETHER = Batch(max_requests=TEXTS_AT_ONCE, max_bytes=4 * TOKENS_AT_ONCE)
"""Requests with more bytes have more tokens, by and large, than are computed at once."""
ALIKE = "is_alike"
"""Whether a text's vector is the same alone and beside others."""
TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Embedded:
    """Vectors, *shape* (texts, dimensions), and which texts were cut."""

    vectors: Floats
    were_cut: NDArray[np.bool_]


class Engine(Protocol):
    """Turns texts into vectors. Not for several threads."""

    name: str
    dimensions: int
    fingerprint: str
    """The same wherever vectors are the same, but for rounding: of files, versions, parameters."""
    prepared: str | None
    """What a process that is forked may have ready only for it, as a key of `models.warm_up`."""
    batch: Batch | None
    """Up to which size requests are computed together with gain; None: there is none."""

    def embed(self, texts: Sequence[str], kind: str) -> Embedded:
        """The vectors of texts of one of INPUT_TYPES. Raises ServingError."""

    def describe(self) -> dict[str, object]:
        """What there is to tell of it, JSON-able."""


class OnnxEngine:
    """A tokenizer and a session of onnxruntime."""

    name = ONNX
    prepared: str | None = None

    def __init__(self, model_dir: Path, scratch: Path | None, params: EmbeddingParams) -> None:
        """Raises ArtifactError, NoRoom, NotConverted."""
        self._params = params
        self._files = (model_dir / MODEL_FILE, model_dir / TOKENIZER_FILE)
        self._tokenizer = Tokenizer(model_dir / TOKENIZER_FILE, params.max_tokens)
        tried = (params.pooling, params.output, params.max_tokens)
        source = model_dir / MODEL_FILE
        others = [model_dir / TOKENIZER_FILE]
        made = converted(
            source, scratch, tried, self._examine, provider=params.provider, others=others
        )
        self._take(made.session)
        dimensions = made.facts.get("dimensions")
        if not isinstance(dimensions, int):
            raise ArtifactError(MODEL_FILE, "was converted by another version")
        self.dimensions = dimensions
        self.fingerprint = fingerprint(made.facts.get("content"), _shaping(params))
        self.batch = TOGETHER if made.facts.get(ALIKE) is True else None

    def embed(self, texts: Sequence[str], kind: str) -> Embedded:
        """Computes texts of like length together."""
        prefix = self._params.prefixes[kind]
        tokens = self._tokenizer.read([prefix + text for text in texts])
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        for rows in _batches([len(each.ids) for each in tokens], self._tokens_at_once):
            found = self._run([tokens[row] for row in rows])
            if found.shape != (len(rows), self.dimensions):
                raise ArtifactError(MODEL_FILE, f"gave {found.shape} numbers for {len(rows)} texts")
            vectors[rows] = found
        if not np.isfinite(vectors).all():
            raise ArtifactError(MODEL_FILE, "gave numbers that are not finite")
        if self._params.normalizes:
            vectors = normalized(vectors)
        return Embedded(vectors, np.array([each.was_cut for each in tokens], bool))

    def describe(self) -> dict[str, object]:
        """What it computes with. On which device is each worker's business."""
        library = running.library("onnxruntime")
        return {
            "onnxruntime": library.__version__,
            "vocabulary": self._tokenizer.size,
        }

    def _take(self, session: Any) -> None:
        self._session = session
        on_cpu = session.get_providers()[0] == running.CPU_PROVIDER
        self._tokens_at_once = TOKENS_AT_ONCE if on_cpu else TOKENS_AT_ONCE_ON_GPU
        with running.translated("its inputs and outputs cannot be read", MODEL_FILE):
            self._inputs = _inputs(session)
            self._output = _output(session, self._params)

    def _examine(self, session: Any) -> dict[str, Any]:
        """Try a session with a short and the longest text. Raises ArtifactError."""
        self._take(session)
        short, *_ = self._tokenizer.read(["a 1"])
        long, *_ = self._tokenizer.read(["a 1 " * self._params.max_tokens])
        found = self._run([short, long])
        if found.ndim != 2 or not 0 < found.shape[1] <= MOST_DIMENSIONS:  # noqa: PLR2004
            raise ArtifactError(MODEL_FILE, f"gives vectors of shape {found.shape}")
        # Where a graph measures what it computes with, as one of eight bits does, a text's vector
        # depends on the others: nobody's answer may depend on who else asks.
        alone = self._run([short])
        return {
            "dimensions": int(found.shape[1]),
            "content": _content(self._files),
            ALIKE: _is_close(alone, found[:1]) and _is_close(alone, self._beside_all(short)),
        }

    def _beside_all(self, tokens: Tokens) -> Floats | None:
        """The vector of a text beside one of tokens of all kinds; None: that has none.

        Words repeated have the same largest and smallest numbers as each of them has.
        """
        ids = np.linspace(0, self._tokenizer.size - 1, self._params.max_tokens).astype(np.int64)
        try:
            return self._run([tokens, Tokens(ids, was_cut=False)])[:1]
        except ArtifactError:  # a token without a text may have no number either
            return None

    def _run(self, tokens: Sequence[Tokens]) -> Floats:
        batch = self._tokenizer.padded(tokens)
        with running.translated("cannot be computed", MODEL_FILE):
            (states,) = self._session.run(
                [self._output],
                self._fed(batch),
                running.run_options(is_large=batch.ids.size >= MANY_TOKENS),
            )
        wanted = 2 if self._params.pooling == NONE else 3
        if not isinstance(states, np.ndarray) or states.ndim != wanted:
            shape = getattr(states, "shape", None)
            raise ArtifactError(
                MODEL_FILE,
                f"its output {self._output} has the shape {shape}; pooling"
                f" {self._params.pooling} needs {wanted} axes",
            )
        if wanted == 3 and states.shape[:2] != batch.ids.shape:  # noqa: PLR2004
            raise ArtifactError(
                MODEL_FILE,
                f"its output {self._output} has the shape {states.shape} for {batch.ids.shape}"
                " tokens",
            )
        return pooled(states.astype(np.float32, copy=False), batch.mask, self._params.pooling)

    def _fed(self, batch: Padded) -> dict[str, NDArray[Any]]:
        values = {IDS: batch.ids, MASK: batch.mask, SEGMENTS: np.zeros_like(batch.ids)}
        return {name: values[name].astype(kind, copy=False) for name, kind in self._inputs.items()}


def _is_close(alone: Floats, beside: Floats | None) -> bool:
    return beside is not None and np.allclose(alone, beside, rtol=TOLERANCE, atol=TOLERANCE)


def _inputs(session: Any) -> dict[str, Any]:
    """The model's inputs and their kinds of numbers. Raises ArtifactError."""
    found: dict[str, Any] = {}
    for each in session.get_inputs():
        if each.name not in (IDS, MASK, SEGMENTS):
            raise ArtifactError(
                MODEL_FILE, f"wants {each.name[:60]}; {IDS}, {MASK} and {SEGMENTS} can be given"
            )
        if each.type not in KINDS:
            raise ArtifactError(MODEL_FILE, f"wants {each.name} as {each.type}")
        found[each.name] = KINDS[each.type]
    if IDS not in found:
        raise ArtifactError(MODEL_FILE, f"has no input {IDS}")
    return found


def _output(session: Any, params: EmbeddingParams) -> str:
    """The name of the output to use. Raises ArtifactError."""
    names = [each.name for each in session.get_outputs()]
    if not names:
        raise ArtifactError(MODEL_FILE, "has no output")
    if params.output is not None:
        if params.output not in names:
            raise ArtifactError(
                MODEL_FILE, f"has no output {params.output}; there are {', '.join(names)[:200]}"
            )
        return params.output
    fitting = FITTING.get(params.pooling, OF_TOKENS)
    return next((name for name in fitting if name in names), names[0])


def _batches(lengths: list[int], tokens_at_once: int) -> list[list[int]]:
    """The numbers of texts in batches of like length, the longest first."""
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    found: list[list[int]] = []
    for row in order:
        longest = lengths[found[-1][0]] if found else 0
        full = not found or len(found[-1]) == TEXTS_AT_ONCE
        if full or (len(found[-1]) + 1) * max(longest, 1) > tokens_at_once:
            found.append([])
        found[-1].append(row)
    return found


class EncoderEngine:
    """An encoder of `models.encoding`, whose files are part of its package."""

    batch: Batch | None = None

    def __init__(self, params: EmbeddingParams) -> None:
        """Raises ArtifactError."""
        self.name = params.engine
        self.prepared: str | None = KEY + params.engine
        self._most_chars = CHARS_OF_TOKEN * params.max_tokens
        try:
            self._encoder = encoder(params.engine)
        except NoEncoderError as error:
            raise ArtifactError(PARAMS_FILE, str(error)) from error
        self.dimensions = self._encoder.dimensions
        version = installed_version(params.engine)
        self.fingerprint = fingerprint(params.engine, version, params.max_tokens)

    def embed(self, texts: Sequence[str], kind: str) -> Embedded:
        """Vectors 1 long. Texts are cut by their characters; what the encoder cuts is not told."""
        encode = self._encoder.passages if kind == PASSAGE else self._encoder.queries
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            part = [text[: self._most_chars] for text in texts[start : start + TEXTS_AT_ONCE]]
            vectors[start : start + len(part)] = encode(part)
        return Embedded(vectors, np.array([len(text) > self._most_chars for text in texts], bool))

    def describe(self) -> dict[str, object]:
        """The version of its package."""
        return {"version": installed_version(self.name)}


def fingerprint(*facts: object) -> str:
    """A name for what makes vectors what they are."""
    return hashlib.blake2b(repr(facts).encode(), digest_size=16).hexdigest()


def _content(files: Iterable[Path]) -> list[str]:
    """The digests of files' contents."""
    found = []
    for path in files:
        with path.open("rb") as file:
            found.append(hashlib.file_digest(file, hashlib.blake2b).hexdigest())
    return found


def _shaping(params: EmbeddingParams) -> tuple[object, ...]:
    """The parameters that vectors depend on."""
    prefixes = sorted(params.prefixes.items())
    return (params.pooling, params.normalizes, params.max_tokens, prefixes, params.output)


def make_engine(model_dir: Path, scratch: Path | None, params: EmbeddingParams) -> Engine:
    """The engine that the parameters name. Raises ArtifactError, NoRoom, NotConverted."""
    if params.engine == ONNX:
        return OnnxEngine(model_dir, scratch, params)
    return EncoderEngine(params)
