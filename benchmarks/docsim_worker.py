"""What a worker of DocSim takes, measured in forks of a process that is prepared as workers' is.

`python -m benchmarks.docsim_worker FOLDER` measures on the artifact in FOLDER/model, against gensim
doing the same, and prints the numbers as JSON. It runs on one thread, as workers do.
"""

from __future__ import annotations

import csv
import gc
import io
import json
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.footprint import own_bytes
from models.DocSim.params import parse_params
from models.params import read_params
from models.registry import family, load_model
from models.serving import Request

if TYPE_CHECKING:
    from collections.abc import Callable

PAIRS, REQUESTS, LOADS = 100, 60, 30
STOCK_ROUNDS = 3
REHEARSALS = 20


def main(folder: Path) -> dict[str, float]:
    """All numbers by name: times in seconds, own memory in bytes."""
    _rehearse()
    model_dir, scratch = folder / "model", folder / "scratch"
    in_fork(lambda: _load(model_dir, scratch))  # converts, once for all loads
    gc.freeze()
    # Another worker of the model, so that pages of the mapped files have more than one owner.
    other = load_model(model_dir, scratch)
    sentences = json.loads((folder / "sentences.json").read_text("utf-8"))
    requests = _pairs(sentences)
    for request in requests[:5]:
        other.predict(request)
    loads = [in_fork(lambda: _load(model_dir, scratch)) for _ in range(LOADS)]
    found = {name: statistics.median(load[name] for load in loads) for name in loads[0]}
    found |= in_fork(lambda: _ask(model_dir, scratch, requests, sentences))
    return found | _stock(folder, requests, other.predict)


def in_fork(work: Callable[[], Any]) -> Any:
    """What `work` gives, JSON-able, done in a fork of this process."""
    receiver, sender = os.pipe()
    if (pid := os.fork()) == 0:
        os.write(sender, json.dumps(work()).encode())
        os._exit(0)
    os.close(sender)
    with os.fdopen(receiver, "rb") as pipe:
        told = pipe.read()
    os.waitpid(pid, 0)
    return json.loads(told)


def _rehearse() -> None:
    with tempfile.TemporaryDirectory() as folder:
        model_dir, scratch = Path(folder, "model"), Path(folder, "scratch")
        model_dir.mkdir()
        scratch.mkdir()
        request = family("DocSim").rehearse(model_dir, scratch)
        for _ in range(REHEARSALS):
            load_model(model_dir, scratch).predict(request)
    own_bytes(os.getpid())


def _load(model_dir: Path, scratch: Path) -> dict[str, float]:
    before = own_bytes(os.getpid())
    began_s = time.perf_counter()
    model = load_model(model_dir, scratch)
    load_s = time.perf_counter() - began_s
    added_bytes = own_bytes(os.getpid()) - before
    assert model.describe()["documents"]
    return {"load_s": load_s, "own_bytes": added_bytes}


def _ask(
    model_dir: Path, scratch: Path, requests: list[Request], sentences: list[str]
) -> dict[str, float]:
    model = load_model(model_dir, scratch)
    queries = [
        Request("application/json", None, json.dumps({"query": text, "top_k": 10}).encode())
        for text in sentences[:REQUESTS]
    ]
    found = {}
    for name, asked in (("pairs_s", requests), ("query_s", queries)):
        took_s = []
        for request in asked:
            began_s = time.perf_counter()
            model.predict(request)
            took_s.append(time.perf_counter() - began_s)
        found[name] = statistics.median(took_s)
    return found


def _pairs(sentences: list[str]) -> list[Request]:
    """Requests of 100 pairs, each of other texts."""
    dice = random.Random(1)  # noqa: S311 - a workload, no secret
    requests = []
    for _ in range(REQUESTS):
        texts = dice.sample(sentences, 2 * PAIRS)
        requests.append(_request([texts[place : place + 2] for place in range(0, 2 * PAIRS, 2)]))
    return requests


def _request(rows: list[list[str]]) -> Request:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return Request("text/csv", None, out.getvalue().encode())


def _stock(folder: Path, requests: list[Request], predict: Callable[..., Any]) -> dict[str, float]:
    """Gensim's times; its answers must be ours."""
    from benchmarks import stock_docsim  # noqa: PLC0415 - gensim is not for the forks above

    params = parse_params(read_params(folder / "model", "DocSim"))
    documents = [
        json.loads(line)["claim_text"]
        for line in (folder / "model" / "DocSim-documents.jsonl").read_text("utf-8").splitlines()
    ]
    query = json.loads((folder / "sentences.json").read_text("utf-8"))[0]
    many = _request([[query, document] for document in documents])
    found = {}
    for name, asked in (("stock_pairs_s", requests[:STOCK_ROUNDS]), ("stock_query_s", [many])):
        took_s = []
        for request in asked:
            began_s = time.perf_counter()
            scores = stock_docsim.answer(
                folder / "model" / "DocSim-model",
                request.body.decode(),
                params.stop_words,
                params.max_token_chars,
            )
            took_s.append(time.perf_counter() - began_s)
            assert json.loads(predict(request).body) == scores
        found[name] = statistics.median(took_s)
    began_s, before = time.perf_counter(), own_bytes(os.getpid())
    kept = stock_docsim.load(folder / "model" / "DocSim-model")
    found["stock_load_s"] = time.perf_counter() - began_s
    found["stock_own_bytes"] = own_bytes(os.getpid()) - before
    assert len(kept)
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]))))
