"""The engine pke, files both ways, and what pke makes of texts that are a trouble to it.

pke is GPL and in no default installation: without it, all but the first two tests are skipped.
"""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

import numpy as np
import pytest

from models.errors import ArtifactError, BadInput
from models.language.pipelines import pipeline, tag
from models.params import Params
from models.registry import load_model
from models.serving import Request
from models.TopicalPageRank.lda import Lda
from models.TopicalPageRank.model_file import read_lda, write_lda
from models.TopicalPageRank.params import parse_params
from models.TopicalPageRank.ranking import rank

BASE = {"language": "de", "n_topics": 2, "stop_words": ["und", "der"]}
TOPICS = np.array([[8.0, 1.0, 1.0, 0.5], [2.0, 6.0, 2.0, 0.5]])
WORDS = {"steuer": 0, "strom": 1, "klima": 2, "neue": 3}
LDA = Lda(WORDS, TOPICS, TOPICS / 10, TOPICS.sum(axis=1), 0.5)
TEXT = """Die neue Steuer auf Strom gilt ab 2024. Der Strom aus neuen Anlagen schont das Klima,
und das Klima dankt. Neue Anlagen bringen der Stadt Steuern und sauberen Strom."""


def params(**changes) -> Any:
    return parse_params(Params("p.json", {**BASE, **changes}))


@pytest.fixture
def pke():
    """Pke, where it is installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("pke")


def by_pke(sentences, **changes):
    from models.TopicalPageRank.pke_engine import PkeEngine  # noqa: PLC0415 - as it is in use

    return PkeEngine(params(**changes), LDA, "p.json").rank(sentences)


def ours(sentences, **changes):
    checked = params(**changes)
    return rank(sentences, checked, LDA, checked.stop_words)


def nouns(*words):
    return [[(word, "NOUN") for word in words]]


def test_without_pke_loading_says_what_to_install(trained, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pke.unsupervised", None)
    source = trained["TopicalPageRank"]
    (tmp_path / "TopicalPageRank-model").write_bytes(
        (source / "TopicalPageRank-model").read_bytes()
    )
    raw = json.loads((source / "TopicalPageRank-params.json").read_text())
    (tmp_path / "TopicalPageRank-params.json").write_text(json.dumps(raw | {"engine": "pke"}))
    with pytest.raises(ArtifactError, match=r"TopicalPageRank-params\.json.*mme\[pke\]"):
        load_model(tmp_path)


def test_an_unknown_engine_is_an_error():
    with pytest.raises(ArtifactError, match="engine"):
        params(engine="yake")


@pytest.mark.parametrize(
    "changes",
    [{}, {"normalization": "stemming"}, {"window": 2}, {"normalized": True}, {"stop_words": []}],
)
def test_pkes_keyphrases_are_ours(pke, changes):
    sentences = tag(pipeline("de"), TEXT)
    expected = by_pke(sentences, **changes)
    found = ours(sentences, **changes)
    assert len(found) > 5
    assert [phrase for phrase, _ in found] == [phrase for phrase, _ in expected]
    assert [s for _, s in found] == pytest.approx([s for _, s in expected], abs=1e-9)


def test_a_model_with_the_engine_answers_with_pkes_keyphrases(pke, trained, tmp_path):
    source = trained["TopicalPageRank"]
    for name in ("TopicalPageRank-model", "TopicalPageRank-params.json"):
        (tmp_path / name).write_bytes((source / name).read_bytes())
    raw = json.loads((source / "TopicalPageRank-params.json").read_text())
    request = Request("text/plain", None, "Impfstoffe verändern das Erbgut nicht.".encode())
    expected = json.loads(load_model(source).predict(request).body)
    (tmp_path / "TopicalPageRank-params.json").write_text(json.dumps(raw | {"engine": "pke"}))
    model = load_model(tmp_path)
    found = json.loads(model.predict(request).body)
    assert [phrase for phrase, _ in found] == [phrase for phrase, _ in expected]
    assert model.describe()["engine"] == "pke"


def test_pke_reads_our_files(pke, tmp_path):
    path = tmp_path / "TopicalPageRank-model"
    write_lda(path, list(WORDS), TOPICS, TOPICS / 10, 0.5)
    vocabulary, model = pke.utils.load_lda_model(str(path))
    assert vocabulary.index("klima") == 2
    np.testing.assert_array_equal(model.components_, TOPICS)
    np.testing.assert_array_equal(model.exp_dirichlet_component_, TOPICS / 10)
    assert model.doc_topic_prior_ == 0.5


def test_we_read_pkes_files(pke, tmp_path):
    path = tmp_path / "TopicalPageRank-model"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        documents = [tag(pipeline("de"), text) for text in (TEXT, "Masken und Impfstoffe nützen.")]
        pke.utils.compute_lda_model(
            documents, str(path), n_topics=2, language="de", stoplist=["und"], normalization=None
        )
    vocabulary, model = pke.utils.load_lda_model(str(path))
    lda = read_lda(path)
    assert list(lda.word_index) == list(vocabulary)
    np.testing.assert_array_equal(lda.components, model.components_)
    np.testing.assert_array_equal(lda.exp_dirichlet, model.exp_dirichlet_component_)
    assert lda.doc_topic_prior == model.doc_topic_prior_


# What pke fails on -> sentences, changed parameters, and the phrases of our answer.
TROUBLE: dict[str, tuple[Any, dict[str, Any], list[str]]] = {
    "no word in the vocabulary": (nouns("Quatsch", ".", "Unsinn"), {}, ["quatsch . unsinn"]),
    "one unknown word": (nouns("Quatsch"), {}, ["quatsch"]),
    "only stop words, unknown ones": (nouns("und", "der"), {}, ["und der"]),
    "a phrase with words outside the graph": (
        [[("Steuer", "NOUN"), ("auf", "ADP"), ("Strom", "NOUN")]],
        {"grammar": "NP: {<NOUN><ADP><NOUN>}"},
        ["steuer auf strom"],
    ),
    "a phrase wholly outside the graph": (
        [[("gilt", "VERB"), ("Steuer", "NOUN")]],
        {"grammar": "NP: {<VERB>}"},
        ["gilt"],
    ),
    "graph tags that leave out some of a phrase": (
        [[("neue", "ADJ"), ("Steuer", "NOUN")]],
        {"pos": ["NOUN"]},
        ["neue steuer"],
    ),
    "two rules on one line": (
        [[("Steuer", "NOUN"), ("gilt", "VERB")]],
        {"grammar": "NP: {<NOUN>} {<VERB>}"},
        ["steuer", "gilt"],
    ),
}


@pytest.mark.parametrize("name", TROUBLE)
def test_what_pke_fails_on_we_answer(name):
    sentences, changes, phrases = TROUBLE[name]
    found = ours(sentences, **changes)
    assert [phrase for phrase, _ in found] == phrases
    assert all(score >= 0 for _, score in found)
    assert json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("name", TROUBLE)
def test_what_pke_fails_on_its_engine_refuses_with_the_reason(pke, name):
    sentences, changes, _ = TROUBLE[name]
    with pytest.raises(BadInput, match=r"pke cannot rank this text .*'numpy' can"):
        by_pke(sentences, **changes)


def test_a_word_no_topic_has_counts_as_unknown():
    components = np.array([[8.0, 1.0, 0.0], [2.0, 6.0, 0.0]])
    lda = Lda(
        {"steuer": 0, "strom": 1, "klima": 2}, components, components, components.sum(axis=1), 0.5
    )
    checked = params()
    sentences = [[("Steuer", "NOUN"), (".", "X"), ("Klima", "NOUN"), (".", "X"), ("Ö", "NOUN")]]
    found = dict(rank(sentences, checked, lda, ()))
    assert found["klima"] == pytest.approx(found["ö"])


def test_a_window_given_as_a_string_is_a_number():
    assert ours(nouns("Steuer", ".", "Strom"), window="2") == ours(
        nouns("Steuer", ".", "Strom"), window=2
    )


def test_another_label_than_np_works_too():
    assert ours(nouns("Steuer"), grammar="X: {<NOUN>}") == [("steuer", 1.0)]


@pytest.mark.parametrize("sentences", [[], [[]], [[("gilt", "VERB")]]])
def test_where_there_is_no_candidate_there_is_no_keyphrase(pke, sentences, capsys):
    assert by_pke(sentences) == ours(sentences) == []
