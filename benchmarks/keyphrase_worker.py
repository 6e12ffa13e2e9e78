"""The process in which keyphrases are measured: one thread, as a worker has; prints JSON.

`benchmarks.topical_pagerank` runs it. Times are the process's own (CPU), so that what else the
machine does counts little. Whatever must not have seen a text before is measured in a fork.
"""

from __future__ import annotations

import functools
import gc
import importlib
import json
import os
import statistics
import tarfile
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import spacy
from HanTa.HanoverTagger import HanoverTagger

from benchmarks.keyphrase_texts import texts
from mme.core.settings import PROJECT_ROOT
from models.language.hanta.tagger import MODEL_FILES, HantaTagger
from models.language.pipelines import built_in
from models.language.source_files import library_folder
from models.registry import load_model
from models.serving import Request
from models.TopicalPageRank.mapping import map_lda
from models.TopicalPageRank.model_file import read_lda, write_lda

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LENGTHS = {30: 100, 260: 60, 1900: 20}
STOCK_REQUESTS, ROUNDS = 3, 4
STREAM = {260: 300, 1900: 60}
TOPICS, WORDS, LOADS = 40, 40_000, 20
STEPS = {
    "tokenize": ("models.language.pipelines", ("tokens_of",)),
    "tag": ("models.language.hanta.tagger", ("HantaTagger.__call__",)),
    "candidates": ("models.TopicalPageRank.ranking", ("_candidates",)),
    "weights": (
        "models.TopicalPageRank.ranking",
        ("count_columns", "topic_distribution", "topical_importance"),
    ),
    "rank": ("models.TopicalPageRank.ranking", ("build_graph", "pagerank")),
}


def main() -> None:
    """Measure all of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        artifact, scratch = folder / "artifact", folder / "scratch"
        with tarfile.open(PROJECT_ROOT / "artifacts" / "TopicalPageRank.tar.gz") as archive:
            archive.extractall(artifact, filter="data")
        load_model(artifact, scratch)  # converted now
        found = {
            "load": _load(folder),
            "requests": {length: _requests(artifact, scratch, length) for length in LENGTHS},
            "steps": {
                length: _apart(functools.partial(_steps, artifact, scratch, length))
                for length in LENGTHS
            },
            "tagging": {length: _apart(functools.partial(_tagging, length)) for length in STREAM},
        }
    print(json.dumps(found))


def _requests(artifact: Path, scratch: Path, length: int) -> dict[str, float]:
    """Medians in ms: stock; texts of a process that has seen no others; the same once more.

    The least of some rounds, each in processes of its own: a busy machine only adds.
    """
    bodies = [text.encode() for text in texts(length, LENGTHS[length], seed=length)]

    def stock(body: bytes) -> None:
        built_in.cache_clear()
        load_model(artifact).predict(Request("text/plain", None, body))

    def ours() -> list[float]:
        built_in.cache_clear()  # a tagger that remembers no word
        model = load_model(artifact, scratch)
        model.predict(Request("text/plain", None, b"Das Haus."))
        gc.freeze()  # the process that workers are forked from does so, too

        def answer(body: bytes) -> None:
            model.predict(Request("text/plain", None, body))

        return [_median_ms(answer, bodies) for _ in range(2)]

    rounds = [
        (*_apart(ours), _apart(lambda: _median_ms(stock, bodies[:STOCK_REQUESTS])))
        for _ in range(ROUNDS)
    ]
    unseen, seen, slow = (min(medians) for medians in zip(*rounds, strict=True))
    return {"stock": slow, "unseen": unseen, "seen": seen}


def _steps(artifact: Path, scratch: Path, length: int) -> dict[str, float]:
    """Mean ms a text of each step, for texts never seen."""
    built_in.cache_clear()
    model = load_model(artifact, scratch)
    spent = dict.fromkeys(STEPS, 0.0)
    for step, (module, names) in STEPS.items():
        for name in names:
            _time_calls(module, name, functools.partial(_add, spent, step))
    bodies = [text.encode() for text in texts(length, LENGTHS[length], seed=length + 1)]
    began_s = time.process_time()
    for body in bodies:
        model.predict(Request("text/plain", None, body))
    whole_ms = (time.process_time() - began_s) * 1000
    spent["rest"] = whole_ms - sum(spent.values())
    return {step: milliseconds / len(bodies) for step, milliseconds in spent.items()}


def _add(spent: dict[str, float], step: str, milliseconds: float) -> None:
    spent[step] += milliseconds


def _time_calls(module: str, path: str, note: Callable[[float], None]) -> None:
    """Report what each call of a function takes, under the name its caller uses."""
    owner: Any = importlib.import_module(module)
    *outer, name = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    function = getattr(owner, name)

    def timed(*args: Any, **kwargs: Any) -> Any:
        began_s = time.process_time()
        try:
            return function(*args, **kwargs)
        finally:
            note((time.process_time() - began_s) * 1000)

    setattr(owner, name, timed)


def _tagging(length: int) -> dict[str, float]:
    """Tokens a second: HanTa's own; ours of a first third of texts, of the last third, and again.

    All texts are different ones; by the last third the words of two thirds are remembered.
    """
    nlp = spacy.blank("de")
    nlp.add_pipe("sentencizer")
    documents = [
        [[token.text for token in sentence if not token.is_space] for sentence in nlp(text).sents]
        for text in texts(length, STREAM[length], seed=length + 2)
    ]
    third = len(documents) // 3
    tagger = HantaTagger("de")
    library = HanoverTagger(str(library_folder("HanTa") / MODEL_FILES["de"]))
    parts = documents[:third], documents[third:-third], documents[-third:], documents[-third:]
    first, _, later, again = (_rate(tagger.tag_all, part) for part in parts)
    theirs = _rate(
        lambda document: [library.tag_sent(words, taglevel=0) for words in document],
        documents[-third::4],
    )
    return {"stock": theirs, "first": first, "later": later, "again": again}


def _rate(tag: Callable[[Any], object], documents: list[list[list[str]]]) -> float:
    began_s = time.process_time()
    for document in documents:
        tag(document)
    tokens = sum(len(words) for document in documents for words in document)
    return tokens / (time.process_time() - began_s)


def _load(folder: Path) -> dict[str, float]:
    """Loading topics, in ms and KiB of own memory: pke's file as it is, and converted."""
    chance = np.random.default_rng(1)
    topics = chance.gamma(0.1, size=(TOPICS, WORDS)) + 1e-3
    path, scratch = folder / "TopicalPageRank-model", folder / "large"
    write_lda(path, [f"wort{number}" for number in range(WORDS)], topics, topics / 100, 0.1)
    map_lda(path, scratch)
    os.sync()  # else the file's pages would count as written by whoever maps them
    # A worker's first load is not its process's: that was rehearsed before the fork.
    _loading(lambda: map_lda(path, scratch), LOADS)
    ours_ms, ours_kib = _apart(functools.partial(_loading, lambda: map_lda(path, scratch), LOADS))
    stock_ms, stock_kib = _apart(functools.partial(_loading, lambda: read_lda(path), 1))
    return {"stock_ms": stock_ms, "stock_kib": stock_kib, "ms": ours_ms, "kib": ours_kib}


def _loading(load: Callable[[], Any], times: int) -> tuple[float, float]:
    """Median ms of loading, and KiB of memory the first took, with one look-up.

    Pages of a mapped file are the kernel's: it shares them and takes them back.
    """
    before = _written_kib()
    first = load()
    first.components[:, first.word_index["wort17"]].sum()
    taken = _written_kib() - before
    return _median_ms(lambda _: load(), range(times)), taken


def _written_kib() -> int:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty:"))


def _median_ms(work: Callable[[Any], object], items: Iterable[Any]) -> float:
    samples = []
    for item in items:
        began_s = time.process_time()
        work(item)
        samples.append((time.process_time() - began_s) * 1000)
    return statistics.median(samples)


def _apart(measure: Callable[[], Any]) -> Any:
    """What `measure` finds in a fork of its own."""
    reading, writing = os.pipe()
    gc.collect()
    gc.freeze()  # as the process does that workers are forked from
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writing, json.dumps(measure()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        text = answer.read()
    os.waitpid(pid, 0)
    return json.loads(text)


if __name__ == "__main__":
    main()
