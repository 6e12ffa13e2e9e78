"""Requests that wait for a sentence encoder, computed at once and one by one.

The encoder has the sizes of all-MiniLM-L6-v2 and weights that were drawn by lot: what it computes
takes as long, and nothing has to be fetched. By wrk; a request has one text.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import share
from benchmarks.footprint import cpu_s, descendants
from benchmarks.table import Row
from benchmarks.workload import TARGET
from benchmarks.wrk import Call, Report, checked, wrk
from mme.training.archive import write_archive
from models.Embedding.bert import BertWriter, Shape
from models.Embedding.params import MODEL_FILE, PARAMS_FILE, TOKENIZER_FILE
from tests.support.endpoint import Endpoint, running_endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPARED_WITH = "one by one"
LAYERS, HEADS, SIZE, INNER, WORDS, PLACES = 6, 12, 384, 1536, 30_522, 512
ARTIFACT = "encoder.tar.gz"
TOKENS = (8, 32, 128)
"""Lengths of texts."""
CONNECTIONS = (1, 4, 16, 32)
FOR_S, ROUNDS = 8, 3
SEED = 7


@dataclass
class Seen:
    """Runs with texts of one length over so many connections."""

    rates: list[float] = field(default_factory=list)
    p50s_ms: list[float] = field(default_factory=list)
    p99s_ms: list[float] = field(default_factory=list)
    cpus_ms: list[float] = field(default_factory=list)
    """Processor time a request, of all processes of the endpoint."""

    def add(self, found: Report, spent_s: float, for_s: int) -> None:
        """Keep a run."""
        self.rates.append(found.rate)
        self.p50s_ms.append(found.p50_ms)
        self.p99s_ms.append(found.p99_ms)
        self.cpus_ms.append(spent_s * 1000 / (found.rate * for_s))

    def told(self) -> str:
        """The medians."""
        rate, p50, p99, cpu = map(
            statistics.median, (self.rates, self.p50s_ms, self.p99s_ms, self.cpus_ms)
        )
        return f"{rate:,.0f}/s, {p50:.1f} / {p99:.1f} ms, {cpu:.2f} ms"


def measure() -> list[Row]:
    """Two endpoints in turn, one of which computes each request alone."""
    alone: dict[tuple[int, int], Seen] = {}
    together: dict[tuple[int, int], Seen] = {}
    with both() as endpoints:
        for _ in range(share.of(ROUNDS)):
            for tokens in TOKENS:
                for connections in CONNECTIONS:
                    for endpoint, seen in zip(endpoints, (alone, together), strict=True):
                        key = tokens, connections
                        _run(endpoint, tokens, connections, seen.setdefault(key, Seen()))
    return [
        Row(
            f"{tokens} tokens, {connections} at a time: rate, p50 / p99, processor a request",
            alone[tokens, connections].told(),
            f"{told.told()}: {_gain(alone[tokens, connections], told):.2f}x the rate",
        )
        for (tokens, connections), told in together.items()
    ]


@contextlib.contextmanager
def both() -> Iterator[tuple[Endpoint, Endpoint]]:
    """An endpoint that computes requests one by one, and one as it is shipped."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        root = Path(folder)
        (root / "store").mkdir()
        write_encoder(root / "encoder")
        write_archive(root / "encoder", root / "store" / ARTIFACT)
        settings: tuple[dict[str, str], ...] = ({"MME_BATCH_REQUESTS": "1"}, {})
        alone, together = (
            stack.enter_context(running_endpoint(str(root / "store"), root / str(number), each))
            for number, each in enumerate(settings)
        )
        yield alone, together


def _run(endpoint: Endpoint, tokens: int, connections: int, seen: Seen) -> None:
    call = checked(
        Call(
            f"{endpoint.url}/invocations",
            {TARGET: ARTIFACT, "Content-Type": "text/plain", "Accept": "application/x-npy"},
            " ".join(f"w{5 + number}" for number in range(tokens)).encode(),
            lambda body: len(body) == 128 + SIZE * 4,
        )
    )
    for_s = share.of(FOR_S, least=2)
    pids = (endpoint.process.pid, *descendants(endpoint.process.pid))
    before_s = sum(map(cpu_s, pids))
    found = wrk(call, connections, for_s)
    seen.add(found, sum(map(cpu_s, pids)) - before_s, for_s)


def _gain(alone: Seen, together: Seen) -> float:
    return statistics.median(together.rates) / statistics.median(alone.rates)


def write_encoder(folder: Path) -> None:
    """An artifact of an encoder with weights drawn by lot, for texts of words `w0` to `w30521`."""
    folder.mkdir()
    params = {"engine": "onnx", "max_tokens": 256}
    (folder / PARAMS_FILE).write_text(json.dumps(params), encoding="utf-8")
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
        "normalizer": None, "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None, "decoder": None,
        "model": {
            "type": "WordLevel", "unk_token": "w0",
            "vocab": {f"w{number}": number for number in range(WORDS)},
        },
    }  # fmt: skip
    (folder / TOKENIZER_FILE).write_text(json.dumps(tokenizer), encoding="utf-8")
    shape = Shape(LAYERS, HEADS, SIZE, 1e-12, "gelu", None)
    (folder / MODEL_FILE).write_bytes(BertWriter(shape, _Weights().get).write())


class _Weights:
    """Tensors of the sizes their names say."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(SEED)

    def get(self, name: str) -> Any:
        """One of them."""
        sizes = (SIZE, SIZE)
        if "word_embeddings" in name:
            sizes = (WORDS, SIZE)
        elif "position_embeddings" in name:
            sizes = (PLACES, SIZE)
        elif "token_type" in name:
            sizes = (2, SIZE)
        elif "intermediate" in name:
            sizes = (INNER, SIZE)
        elif "attention" not in name and "output.dense" in name:
            sizes = (SIZE, INNER)
        if name.endswith("bias") or "LayerNorm" in name:
            sizes = sizes[:1]
        drawn = self._random.standard_normal(sizes, np.float32) * np.float32(0.02)
        return drawn + np.float32("LayerNorm.weight" in name)
