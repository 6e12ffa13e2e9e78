"""Keyphrases, topics and model files are pke's: compared with what pke answered, as data.

`tests/oracle/make_oracle.py` says how the data is made; no test needs pke for it.
"""

from __future__ import annotations

import csv
import functools
import gzip
import json
import math
from typing import Any

import numpy as np
import pytest

from models.language.stemming import pke_stemmer
from models.params import Params
from models.registry import family
from models.serving import Material, no_progress
from models.TopicalPageRank.lda import Lda
from models.TopicalPageRank.model_file import read_lda
from models.TopicalPageRank.params import parse_params
from models.TopicalPageRank.ranking import rank
from tests.oracle.cases import CASES
from tests.support.endpoint import PROJECT

FOLDER = PROJECT / "tests" / "oracle"
FILE = FOLDER / "pke-lda-de.pickle.gz"
TROUBLE = [name for name, case in CASES.items() if "ours" in case]
WITH_ANSWER = [name for name in CASES if name not in TROUBLE]
STEMS = {"normalization": "stemming"}


@functools.cache
def oracle() -> Any:
    return json.loads((FOLDER / "keyphrases.json").read_text("utf-8"))


def topics(name) -> Lda:
    stored = oracle()["topics"][name]
    components = np.array(stored["components"])
    return Lda(
        {word: place for place, word in enumerate(stored["vocabulary"])},
        components,
        np.array(stored["exp_dirichlet"]),
        components.sum(axis=1),
        stored["doc_topic_prior"],
    )


def ours(name):
    """The case, and our keyphrases of it."""
    [case] = [case for case in oracle()["cases"] if case["name"] == name]
    params = parse_params(Params("p.json", {"language": case["topics"][:2], **case["params"]}))
    sentences = [
        list(zip(words, tags.split(), strict=True))
        for words, tags in zip(case["words"], case["tags"], strict=True)
    ]
    return case, rank(sentences, params, topics(case["topics"]), params.stop_words)


def test_the_data_has_every_case():
    assert [case["name"] for case in oracle()["cases"]] == list(CASES)
    assert [case["name"] for case in oracle()["cases"] if "error" in case] == TROUBLE


@pytest.mark.parametrize("name", WITH_ANSWER)
def test_keyphrases_are_those_of_pke(name):
    case, found = ours(name)
    expected = case["keyphrases"]
    assert dict(found) == pytest.approx(dict(expected), abs=1e-9)
    # Phrases may change places only where their scores are the same but for rounding.
    assert [score for _, score in found] == pytest.approx([s for _, s in expected], abs=1e-9)


@pytest.mark.parametrize("name", TROUBLE)
def test_what_pke_fails_on_is_answered(name):
    case, found = ours(name)
    assert case["error"].startswith(("ValueError", "KeyError"))
    assert [phrase for phrase, _ in found] == CASES[name]["ours"]
    assert all(0 <= score < math.inf for _, score in found)


@pytest.mark.parametrize("language", ["de", "en"])
def test_stems_are_those_of_pke(language):
    words = oracle()["stems"][language].split()
    stem = pke_stemmer(language)
    found = {word: stem(word) for word in words[::2]}
    assert found == dict(zip(words[::2], words[1::2], strict=True))
    assert len(found) > 400


def test_a_model_file_of_pke_is_read_as_pke_reads_it():
    stored = oracle()["topics"]["de"]
    lda = read_lda(FILE)
    assert list(lda.word_index) == stored["vocabulary"]
    np.testing.assert_array_equal(lda.components, stored["components"])
    np.testing.assert_array_equal(lda.exp_dirichlet, stored["exp_dirichlet"])
    assert lda.doc_topic_prior == stored["doc_topic_prior"]


def test_a_model_file_of_pke_is_a_pickle_in_gzip():
    with gzip.open(FILE) as file:
        assert file.read(1) == b"\x80"


@pytest.mark.parametrize(
    ("name", "changes"), [("de", {}), ("de-stems", STEMS), ("en-stems", STEMS)]
)
def test_topics_are_trained_as_pke_trains_them(tmp_path, name, changes):
    stored = oracle()["topics"][name]
    corpus = tmp_path / "corpus.csv"
    with corpus.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["title"], *([text] for text in stored["texts"])])
    params = {"language": name[:2], "train_df": corpus.name, "n_topics": 3, **changes}
    (tmp_path / "model").mkdir()
    family("TopicalPageRank").train(Material(corpus, params), tmp_path / "model", no_progress)
    lda = read_lda(tmp_path / "model" / "TopicalPageRank-model")
    assert list(lda.word_index) == stored["vocabulary"]
    np.testing.assert_allclose(lda.components, stored["components"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(lda.exp_dirichlet, stored["exp_dirichlet"], rtol=0, atol=1e-9)
    assert lda.doc_topic_prior == stored["doc_topic_prior"]
