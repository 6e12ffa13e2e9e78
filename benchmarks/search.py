"""Search: what it finds against plain BM25, and what a query costs among 100,000 documents.

Stock, where speed is concerned, is BM25 in Python whose pickled index is loaded for every request,
as the original loads its models.
"""

from __future__ import annotations

import json
import multiprocessing
import pickle
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from benchmarks.search_tasks import crowd, labelled_tasks, made_tasks, write_corpus
from benchmarks.table import Row
from models.evaluation.asking import ask
from models.evaluation.measures import retrieval_measures
from models.registry import family, load_model
from models.serving import Material, Request, no_progress
from tests.support.plain_bm25 import PlainBm25

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.search_tasks import Task
    from models.Search.model import SearchModel

DOCUMENTS = 100_000
DEPTH = 10
STOCK_REQUESTS = 3
LOADS = 20
AIM_QUERY_MS, AIM_LOAD_MS, AIM_MEMORY_MIB = 5.0, 5.0, 1.0


def measure() -> list[Row]:
    """Relevance on each task alone, then everything among many documents."""
    labelled, made = labelled_tasks(), made_tasks()
    tasks = labelled + made
    rows = [_relevance(each) for task in tasks for each in (task, task.halved())]
    return rows + _among_many(labelled or made)


def _relevance(task: Task) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        model = _trained(task.documents, Path(folder))
        plain = _plain(task.documents)
        return _compared(f"MRR@10, {task.name}", task, model, plain)


def _compared(measure: str, task: Task, model: SearchModel, plain: PlainBm25) -> Row:
    by_plain, by_search, by_vectors = {}, {}, {}
    for query, text in task.queries.items():
        by_plain[query] = plain.best(text, DEPTH)
        matches = ask(model, {"claim": text, "top_k": DEPTH})["matches"]
        by_search[query] = [match["id"] for match in matches]
        by_vectors[query] = model.nearest_ids(text, DEPTH)
    stock, ours, vectors = (
        retrieval_measures(rankings, task.relevance)["mrr@10"]
        for rankings in (by_plain, by_search, by_vectors)
    )
    return Row(
        f"{measure} ({len(task.queries)} queries, {len(model)} documents)",
        f"{stock:.3f}",
        f"{ours:.3f} (vectors alone {vectors:.3f})",
        "better than plain BM25",
        met=ours > stock,
    )


def _among_many(tasks: list[Task]) -> list[Row]:
    documents = crowd(tasks, DOCUMENTS)
    plain = _plain(documents)
    queries = [text for task in tasks for text in task.queries.values()]
    with tempfile.TemporaryDirectory() as folder:
        began_s = time.perf_counter()
        model = _trained(documents, Path(folder))
        training_s = time.perf_counter() - began_s
        rows = [
            _compared(f"MRR@10, {task.name} among others", task, model, plain) for task in tasks
        ]
        index = Path(folder) / "plain.pickle"
        index.write_bytes(pickle.dumps(plain))
        del plain
        artifact = Path(folder) / "artifact"
        fork = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(1, mp_context=fork) as worker:
            ours = worker.submit(_costs, artifact, queries).result()
        with ProcessPoolExecutor(1, mp_context=fork) as worker:
            stock_ms = worker.submit(_stock_ms, index, queries[:STOCK_REQUESTS]).result()
        size_mib = (artifact / "Search-model").stat().st_size / 2**20
    queries_ms = ours["queries_ms"]
    median_ms = statistics.median(queries_ms)
    ninth_ms = statistics.quantiles(queries_ms, n=10)[8]
    load_ms = statistics.median(ours["loads_ms"])
    return [
        *rows,
        Row(
            f"a query among {DOCUMENTS} documents, in the worker, median of {len(queries_ms)}",
            f"{stock_ms:.0f} ms",
            f"{median_ms:.1f} ms (nine in ten below {ninth_ms:.1f} ms)",
            "≤ 5 ms",
            met=median_ms <= AIM_QUERY_MS,
        ),
        Row(
            "loading that index, checked before (the first time)",
            "at every request",
            f"{load_ms:.1f} ms ({ours['first_load_ms'][0]:.0f} ms)",
            "≤ 5 ms",
            met=load_ms <= AIM_LOAD_MS,
        ),
        Row(
            f"own memory of a worker that has loaded it ({size_mib:.0f} MiB, mapped);"
            " that has answered all queries",
            "",
            f"{ours['loaded_mib'][0]:.2f} MiB; {ours['answered_mib'][0]:.1f} MiB",
            "≤ 1 MiB; -",
            met=ours["loaded_mib"][0] <= AIM_MEMORY_MIB,
        ),
        Row(f"training on {DOCUMENTS} documents", "", f"{training_s:.0f} s", "< 300 s"),
    ]


def _plain(documents: Mapping[str, tuple[str, str]]) -> PlainBm25:
    return PlainBm25({key: f"{title} {text}" for key, (title, text) in documents.items()})


def _trained(documents: Mapping[str, tuple[str, str]], folder: Path) -> SearchModel:
    """A model of the documents; its artifact is `folder/artifact`."""
    artifact = folder / "artifact"
    artifact.mkdir()
    write_corpus(folder / "corpus.csv", documents)
    material = Material(folder / "corpus.csv", {"language": "de"})
    family("Search").train(material, artifact, no_progress)
    return cast("SearchModel", load_model(artifact))


def _costs(artifact: Path, queries: list[str]) -> dict[str, list[float]]:
    """Milliseconds and MiB of loading and asking, in a process that has done it on a small one."""
    with tempfile.TemporaryDirectory() as folder:
        small, scratch = Path(folder) / "small", Path(folder) / "scratch"
        small.mkdir()
        request = family("Search").rehearse(small, Path(folder))
        load_model(small, Path(folder)).predict(request)
        first_ms = _timed_ms(lambda: load_model(artifact, scratch))
        before_mib = _own_mib()
        loads_ms = [_timed_ms(lambda: load_model(artifact, scratch)) for _ in range(LOADS)]
        model = load_model(artifact, scratch)
        loaded_mib = _own_mib() - before_mib
        requests = [Request("application/json", None, _body(query)) for query in queries]
        for asked in requests[:DEPTH]:
            model.predict(asked)
        queries_ms = [_timed_ms(partial(model.predict, asked)) for asked in requests]
        return {
            "first_load_ms": [first_ms],
            "loads_ms": loads_ms,
            "queries_ms": queries_ms,
            "loaded_mib": [loaded_mib],
            "answered_mib": [_own_mib() - before_mib],
        }


def _body(query: str) -> bytes:
    return json.dumps({"claim": query, "top_k": DEPTH}).encode()


def _stock_ms(index: Path, queries: list[str]) -> float:
    """The median time of reading the index and asking it, as each request would."""

    def answer(query: str) -> None:
        plain: PlainBm25 = pickle.loads(index.read_bytes())  # noqa: S301 - written above
        json.dumps(plain.best(query, DEPTH))

    return statistics.median(_timed_ms(partial(answer, query)) for query in queries)


def _timed_ms(work: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    work()
    return (time.perf_counter() - began_s) * 1000


def _own_mib() -> float:
    """What this process alone has written; of mapped files there is nothing in it."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty:")) / 1024
