"""Training both families on a real corpus: the language part and the whole, against one-by-one.

Stock is the original's way, which pke and pandas suggest: the whole file into a table, each title
through the pipeline on its own, tagged although only its words are wanted. The corpus is the
development data where it is at hand, else the one we ship.
"""

from __future__ import annotations

import csv
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import spacy
from gensim.models.doc2vec import Doc2Vec, TaggedDocument
from gensim.utils import simple_preprocess
from HanTa.HanoverTagger import HanoverTagger
from sklearn.decomposition import LatentDirichletAllocation
from sklearn.feature_extraction.text import CountVectorizer

from benchmarks.table import Row
from mme.core.settings import PROJECT_ROOT
from mme.training.plan import make_job
from mme.training.run import Destination, run_job
from models.DocSim.words import words_of
from models.language.pipelines import built_in, tokenize
from models.language.stop_words import default_stop_words
from models.serving import no_progress
from models.TopicalPageRank.lda import counted_words

if TYPE_CHECKING:
    from collections.abc import Callable

DEVELOPMENT = PROJECT_ROOT.parent / "shared" / "data" / "news_de.csv"
SHIPPED = PROJECT_ROOT / "models" / "corpus" / "factchecks_de.csv"
ROUNDS = 3
TITLES, CLAIMS = 600, 150
"""How many texts are tagged one by one: enough for a rate, few enough not to wait for."""
AIM_RATIO = 10
PARAMS: dict[str, dict[str, object]] = {
    "TopicalPageRank": {"n_topics": 20},
    "DocSim": {"vector_size": 40, "min_count": 2, "epochs": 20, "max_token_length": 40},
}


def measure() -> list[Row]:
    """The language part by texts a second of CPU time, then each training as a whole."""
    corpus = DEVELOPMENT if DEVELOPMENT.is_file() else SHIPPED
    with corpus.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    titles, claims = [row["title"] for row in rows], [row["claim_text"] for row in rows]
    return [
        *_language("TopicalPageRank", "titles", titles, TITLES, _split_titles),
        *_language("DocSim", "texts", claims, CLAIMS, _split_texts),
        _whole("TopicalPageRank", corpus, _seconds(_stock_topics, titles)),
        _whole("DocSim", corpus, _seconds(_stock_vectors, claims)),
    ]


def _language(
    family: str, what: str, texts: list[str], few: int, ours: Callable[[list[str]], object]
) -> list[Row]:
    one_by_one = _rate(_tag_with_hanta, texts[:few])
    built = _rate(_tag_with_ours, texts[:few])
    split = _rate(ours, texts)
    return [
        Row(
            f"{family}, language part, HanTa's own tagger one by one",
            f"{one_by_one:,.0f} {what}/s",
            f"{split:,.0f} {what}/s, {split / one_by_one:.0f}x better",
            f"≥ {AIM_RATIO}x better",
            met=split >= AIM_RATIO * one_by_one,
        ),
        Row(
            f"{family}, language part, our pipeline one by one",
            f"{built:,.0f} {what}/s",
            f"{split:,.0f} {what}/s, {split / built:.0f}x better",
        ),
    ]


def _rate(do: Callable[[list[str]], object], texts: list[str]) -> float:
    """Texts per second of CPU time, median of some rounds after one to warm up."""
    do(texts[:20])
    took_s = []
    for _ in range(ROUNDS):
        began_s = time.process_time()
        do(texts)
        took_s.append(time.process_time() - began_s)
    return len(texts) / statistics.median(took_s)


def _tag_with_hanta(texts: list[str]) -> None:
    nlp, tagger = spacy.blank("de"), HanoverTagger("morphmodel_ger.pgz")
    nlp.add_pipe("sentencizer")
    for text in texts:
        for sentence in nlp(text).sents:
            tagger.tag_sent([token.text for token in sentence])


def _tag_with_ours(texts: list[str]) -> None:
    nlp = built_in("de")
    for text in texts:
        nlp(text)


def _split_titles(texts: list[str]) -> None:
    for tokens in tokenize(built_in("de"), texts):
        counted_words(tokens)


def _split_texts(texts: list[str]) -> None:
    for text in texts:
        words_of(text, 40)


def _stock_topics(titles: list[str]) -> None:
    """Tag each title, keep what is no punctuation, count, fit."""
    nlp, tagger = spacy.blank("de"), HanoverTagger("morphmodel_ger.pgz")
    nlp.add_pipe("sentencizer")
    texts = []
    for title in titles:
        kept = []
        for sentence in nlp(title).sents:
            tagged = tagger.tag_sent([token.text for token in sentence])
            kept += [word for word, _, tag in tagged if not tag.startswith("$")]
        texts.append(" ".join(kept))
    counts = CountVectorizer(stop_words=sorted(default_stop_words("de"))).fit_transform(texts)
    topics = LatentDirichletAllocation(20, random_state=0, learning_method="batch")
    topics.fit(counts)


def _stock_vectors(claims: list[str]) -> None:
    """Gensim as its manual has it."""
    documents = [
        TaggedDocument(simple_preprocess(claim, max_len=40), [number])
        for number, claim in enumerate(claims)
    ]
    Doc2Vec(documents, vector_size=40, min_count=2, epochs=20, workers=1, seed=1)


def _seconds(do: Callable[[list[str]], object], texts: list[str]) -> float:
    began_s = time.perf_counter()
    do(texts)
    return time.perf_counter() - began_s


def _whole(family: str, corpus: Path, stock_s: float) -> Row:
    params = {"language": "de", "train_df": corpus.name, **PARAMS[family]}
    job = make_job(family, params, str(corpus), (PROJECT_ROOT,))
    with tempfile.TemporaryDirectory() as folder:
        done = run_job(job, Destination(Path(folder), Path(folder)), no_progress)
        report = json.loads(done.report.read_text("utf-8"))
    slowest = max(report["phases"], key=lambda phase: phase["duration_s"])
    return Row(
        f"{family}, all of a training on {report['facts']['rows']:,} rows, wall time",
        f"{stock_s:.1f} s",
        f"{done.duration_s:.1f} s, {stock_s / done.duration_s:.1f}x as fast, of it"
        f" {slowest['duration_s']:.1f} s {slowest['title'].partition(': ')[2]}",
    )
