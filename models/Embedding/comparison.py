"""Two artifacts beside each other: how large, how fast, how near their vectors are.

Speed is of this machine's one core, from texts to vectors; the median of several tries.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from models.Embedding.engines import make_engine
from models.Embedding.params import FAMILY, MODEL_FILE, QUERY, parse_params
from models.Embedding.pooling import normalized
from models.params import read_params

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from models.Embedding.engines import Embedded, Engine

TRIES = 7
TOGETHER = 8
"""So many texts are computed at once, and one by one, to compare."""
SHOWN_CHARS = 80


@dataclass(frozen=True, slots=True)
class Measured:
    """One artifact."""

    model_bytes: int
    load_ms: float
    """Of the converted form, as workers load it."""
    one_ms: float
    """One text."""
    together_ms: float
    """TOGETHER texts in one batch."""
    one_by_one_ms: float
    """The same texts, each alone."""


def measure(artifact: Path, scratch: Path, texts: Sequence[str]) -> tuple[Measured, Embedded]:
    """Times of an artifact, and its vectors of `texts`. Raises ArtifactError, NoRoom."""
    params = parse_params(read_params(artifact, FAMILY))
    make_engine(artifact, scratch, params)
    began_s = time.perf_counter()
    engine = make_engine(artifact, scratch, params)
    load_s = time.perf_counter() - began_s
    some = [texts[place % len(texts)] for place in range(TOGETHER)]
    measured = Measured(
        model_bytes=(artifact / MODEL_FILE).stat().st_size,
        load_ms=round(load_s * 1000, 2),
        one_ms=_median_ms(lambda: engine.embed(some[:1], QUERY)),
        together_ms=_median_ms(lambda: engine.embed(some, QUERY)),
        one_by_one_ms=_median_ms(lambda: _each(engine, some)),
    )
    return measured, engine.embed(texts, QUERY)


def compare(full: Path, other: Path, scratch: Path, texts: Sequence[str]) -> dict[str, Any]:
    """The report on `other` beside `full`, JSON-able; `texts` are not few. As `measure` raises."""
    of_full, expected = measure(full, scratch / "full", texts)
    of_other, found = measure(other, scratch / "other", texts)
    cosines = (normalized(expected.vectors) * normalized(found.vectors)).sum(axis=1)
    worst = int(np.argmin(cosines))
    return {
        "texts": len(texts),
        "full": asdict(of_full),
        "quantized": asdict(of_other),
        "size_ratio": round(of_other.model_bytes / of_full.model_bytes, 4),
        "cosine_mean": round(float(cosines.mean()), 6),
        "cosine_worst": round(float(cosines[worst]), 6),
        "worst_text": texts[worst][:SHOWN_CHARS],
    }


def _each(engine: Engine, texts: Sequence[str]) -> None:
    for text in texts:
        engine.embed([text], QUERY)


def _median_ms(work: Callable[[], object]) -> float:
    times = []
    for _ in range(TRIES):
        began_s = time.perf_counter()
        work()
        times.append(time.perf_counter() - began_s)
    return round(statistics.median(times) * 1000, 2)
