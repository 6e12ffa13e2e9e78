"""DocSim in the worker, on 40,000 word vectors of 400 numbers, 10,000 prepared documents beside.

Words and sentences are those of the corpus shipped for training, words made up to fill the
vocabulary; what is measured, and how, is in `docsim_worker`.
"""

from __future__ import annotations

import csv
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from gensim.models import KeyedVectors

from benchmarks.footprint import MIB
from benchmarks.table import Row
from mme.core.settings import PROJECT_ROOT
from models.DocSim.prepare import prepare_documents
from models.DocSim.words import words_of

WORDS, DIMENSIONS, DOCUMENTS = 40_000, 400, 10_000
MAX_TOKEN_CHARS = 40
SENTENCE = re.compile(r"(?<=[.!?])\s+")
PAIRS_S, QUERY_S, LOAD_S, OWN_BYTES = 0.004, 0.010, 0.005, MIB
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def measure() -> list[Row]:
    """Make the artifact, and have a prepared process measure on it."""
    with tempfile.TemporaryDirectory(prefix="docsim-") as folder:
        _make(Path(folder))
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.docsim_worker", folder],
            env=os.environ | ONE_THREAD,
            cwd=PROJECT_ROOT,
            check=True,
            capture_output=True,
            text=True,
        )
    found: dict[str, float] = json.loads(done.stdout)
    return [
        _row("100 pairs of sentences", found, "pairs_s", PAIRS_S),
        _row("a query against 10,000 prepared documents", found, "query_s", QUERY_S),
        _row("loading 40,000 x 400 and 10,000 documents", found, "load_s", LOAD_S),
        Row(
            "own memory of that",
            f"{found['stock_own_bytes'] / MIB:.0f} MiB, without documents",
            f"{found['own_bytes'] / MIB:.2f} MiB",
            "≤ 1 MiB",
            met=found["own_bytes"] <= OWN_BYTES,
        ),
    ]


def _row(measure: str, found: dict[str, float], name: str, aim_s: float) -> Row:
    stock_s, ours_s = found[f"stock_{name}"], found[name]
    return Row(
        f"{measure}, median",
        f"{stock_s * 1000:,.0f} ms",
        f"{ours_s * 1000:.2f} ms, {stock_s / ours_s:,.0f}x better",
        f"≤ {aim_s * 1000:.0f} ms",
        met=ours_s <= aim_s,
    )


def _make(folder: Path) -> None:
    with (PROJECT_ROOT / "models" / "corpus" / "factchecks_de.csv").open(encoding="utf-8") as file:
        texts = [row["claim_text"] for row in csv.DictReader(file)]
    sentences = sorted({part for text in texts for part in SENTENCE.split(text)})
    dice = random.Random(7)  # noqa: S311 - a workload, no secret
    dice.shuffle(sentences)
    (folder / "sentences.json").write_text(json.dumps(sentences), encoding="utf-8")
    model_dir = folder / "model"
    model_dir.mkdir()
    params = {"language": "de", "max_token_length": MAX_TOKEN_CHARS}
    (model_dir / "DocSim-params.json").write_text(json.dumps(params))
    words = sorted({word for text in texts for word in words_of(text, MAX_TOKEN_CHARS)})
    words += [f"wort{number}" for number in range(WORDS - len(words))]
    dice.shuffle(words)
    vectors = KeyedVectors(DIMENSIONS)
    numbers = np.random.default_rng(7).normal(size=(WORDS, DIMENSIONS))
    vectors.add_vectors(words, numbers.astype(np.float32))
    vectors.save(str(model_dir / "DocSim-model"))
    table = folder / "documents.jsonl"
    with table.open("w", encoding="utf-8") as file:
        for number in range(DOCUMENTS):
            text = " ".join(dice.sample(sentences, 3))
            file.write(json.dumps({"id": number, "claim_text": text}) + "\n")
    prepare_documents(model_dir, table)
