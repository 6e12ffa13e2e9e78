"""What training learns, how it is steered, and what it records."""

from __future__ import annotations

import csv
import json
import logging
import zlib

import numpy as np
import pytest
from gensim.models import KeyedVectors
from gensim.models.doc2vec import Doc2Vec, TaggedDocument
from gensim.utils import simple_preprocess
from sklearn.decomposition import LatentDirichletAllocation
from sklearn.feature_extraction.text import CountVectorizer

from models.errors import ArtifactError
from models.language.pipelines import built_in, tokenize
from models.language.stop_words import default_stop_words, stop_list
from models.params import Params
from models.registry import FAMILIES, family, load_model
from models.Search.analysis import words_of
from models.serving import Material, Request, no_progress
from models.TopicalPageRank.model_file import read_lda, write_lda
from models.TopicalPageRank.params import parse_params
from models.TopicalPageRank.ranking import rank
from tests.unit.models.conftest import PARAMS, ROWS, write_corpus

FEW: dict[str, dict[str, object]] = {
    "TopicalPageRank": {"language": "de", "n_topics": 3},
    "DocSim": {"language": "de", "vector_size": 6, "min_count": 1, "epochs": 2},
    "Search": {"language": "de"},
}


@pytest.fixture
def corpus(tmp_path):
    return write_corpus(tmp_path / "corpus.csv")


def train(name, corpus, folder, **params):
    folder.mkdir()
    return family(name).train(Material(corpus, {**FEW[name], **params}), folder, no_progress).facts


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def recorded(folder, name):
    return json.loads((folder / f"{name}-params.json").read_text("utf-8"))


def read(folder):
    return read_lda(folder / "TopicalPageRank-model")


def test_topics_are_those_of_scikit_learn_on_the_same_counts(tmp_path, corpus):
    stop_words = ["das", "die", "ein", "kein", "nicht"]
    train("TopicalPageRank", corpus, tmp_path / "a", stop_words=stop_words)
    counter = CountVectorizer(stop_words=stop_words)
    expected = LatentDirichletAllocation(3, random_state=0, learning_method="batch")
    tokens = tokenize(built_in("de"), [title for title, _ in ROWS])
    expected.fit(counter.fit_transform([" ".join(title) for title in tokens]))
    found = read(tmp_path / "a")
    assert list(found.word_index) == counter.get_feature_names_out().tolist()
    np.testing.assert_array_equal(found.components, expected.components_)
    np.testing.assert_array_equal(found.exp_dirichlet, expected.exp_dirichlet_component_)


def test_the_reference_model_comes_out_to_the_last_bit(tmp_path, oracle):
    """Made by pke from every other title, with the general part of the stop list."""
    stop_words = json.loads((oracle / "stoplist.json").read_text("utf-8"))
    first, last = stop_words.index("aber"), stop_words.index("zwischen")
    with (oracle.parent / "news_de.csv").open(encoding="utf-8", newline="") as file:
        titles = [row["title"] for row in csv.DictReader(file)][::2]
    path = tmp_path / "titles.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["title"], *([title] for title in titles)])
    general = stop_words[first : last + 1]
    train("TopicalPageRank", path, tmp_path / "a", stop_words=general, n_topics=20)
    found, expected = read(tmp_path / "a"), np.load(oracle / "lda.npz")
    assert list(found.word_index) == expected["vocabulary"].tolist()
    np.testing.assert_allclose(found.components, expected["components"], rtol=1e-12)
    assert found.doc_topic_prior == expected["doc_topic_prior"]


def test_vectors_are_those_of_gensim_on_the_same_words(tmp_path):
    claims = [claim for _, claim in ROWS[:3]]
    path = tmp_path / "few.csv"
    path.write_text("\n".join(["claim_text", *claims]), encoding="utf-8")
    train("DocSim", path, tmp_path / "a", seed=7)
    documents = [
        TaggedDocument(simple_preprocess(claim), [number]) for number, claim in enumerate(claims)
    ]
    expected = Doc2Vec(
        documents, vector_size=6, min_count=1, epochs=2, seed=7, workers=1,
        hashfxn=lambda word: zlib.crc32(word.encode()),
    ).wv  # fmt: skip
    found = KeyedVectors.load(str(tmp_path / "a" / "DocSim-model"))
    assert found.index_to_key == expected.index_to_key
    np.testing.assert_array_equal(found.vectors, expected.vectors)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_seed_decides(tmp_path, corpus, name):
    model = f"{name}-model"
    for run, seed in (("one", 5), ("two", "5"), ("three", 6)):
        assert train(name, corpus, tmp_path / run, seed=seed)["seed"] == int(seed)
    one, two, three = (files_of(tmp_path / run)[model] for run in ("one", "two", "three"))
    assert one == two
    assert one != three or name == "Search"  # whose vectors of so few texts need no chance


def test_topics_by_several_workers_are_the_same_each_time(tmp_path, corpus):
    for run in ("one", "two"):
        train("TopicalPageRank", corpus, tmp_path / run, workers=2)
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


def test_vectors_by_several_workers_are_said_not_to_be(tmp_path, corpus, caplog):
    facts = train("DocSim", corpus, tmp_path / "a", workers=2)
    assert facts["reproducible"] == "no: several workers"
    assert "no two trainings are the same" in caplog.text
    assert load_model(tmp_path / "a").describe()["dimensions"] == 6


def test_a_larger_corpus_is_sampled_by_the_seed(tmp_path, corpus):
    facts = train("TopicalPageRank", corpus, tmp_path / "a", n_datasets="4")
    assert (facts["rows"], facts["titles_trained_on"]) == (6, 4)
    assert facts["coverage"]["looked_at"] == "titles not trained on"
    assert facts["coverage"]["types_without_stop_words"] < 1
    train("TopicalPageRank", corpus, tmp_path / "b", n_datasets=4)
    train("TopicalPageRank", corpus, tmp_path / "c", n_datasets=4, seed=1)
    model = "TopicalPageRank-model"
    assert files_of(tmp_path / "a")[model] == files_of(tmp_path / "b")[model]
    assert set(read(tmp_path / "a").word_index) != set(read(tmp_path / "c").word_index)


def test_a_smaller_corpus_is_taken_whole(tmp_path, corpus):
    facts = train("TopicalPageRank", corpus, tmp_path / "a", n_datasets=10_000)
    assert facts["titles_trained_on"] == 6
    assert facts["coverage"]["looked_at"] == "titles trained on"
    train("TopicalPageRank", corpus, tmp_path / "b")
    model = "TopicalPageRank-model"
    assert files_of(tmp_path / "a")[model] == files_of(tmp_path / "b")[model]


def test_coverage_is_the_share_of_words_the_vectors_have(tmp_path, corpus):
    facts = train("DocSim", corpus, tmp_path / "a", min_count=2)
    words = [
        word
        for _, claim in ROWS
        for word in simple_preprocess(claim.replace("5G", "fuenfg").replace("CO2", "cozwei"))
    ]
    kept = {word for word in words if words.count(word) > 1}
    assert facts["vocabulary_words"] == len(kept)
    shares = facts["coverage"]
    assert shares["tokens"] == pytest.approx(sum(w in kept for w in words) / len(words), abs=1e-4)
    assert shares["types"] == pytest.approx(len(kept) / len(set(words)), abs=1e-4)


# Stop words


@pytest.mark.parametrize("name", FAMILIES)
def test_the_stop_words_used_are_recorded_and_used_again(tmp_path, corpus, name):
    facts = train(name, corpus, tmp_path / "a", extra_stop_words=["impfstoff"])
    expected = default_stop_words("de") | {"impfstoff"}
    assert set(recorded(tmp_path / "a", name)["stop_words"]) == expected
    assert facts["stop_words"] == sorted(expected)
    params = Params(f"{name}-params.json", recorded(tmp_path / "a", name))
    assert stop_list(params, "de") == expected


def test_a_recorded_default_list_is_the_one_all_models_share():
    default = default_stop_words("de")
    assert stop_list(Params("p.json", {"stop_words": sorted(default)}), "de") is default
    part = sorted(default)[:300]
    rest = sorted(default)[300:]
    both = {"stop_words": part, "extra_stop_words": rest}
    assert stop_list(Params("p.json", both), "de") is default


def test_a_language_without_a_list_takes_the_one_given():
    params = Params("p.json", {"stop_words": ["a"], "extra_stop_words": ["b"]})
    assert stop_list(params, "xyz") == {"a", "b"}


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("asked", [0.4, "0.4", {"max_document_share": 0.4}])
def test_words_of_many_texts_become_stop_words(tmp_path, corpus, name, asked):
    facts = train(name, corpus, tmp_path / "a", learn_stop_words=asked, stop_words=["x"])
    words = {
        "TopicalPageRank": lambda row: simple_preprocess(row[0]),
        "DocSim": lambda row: simple_preprocess(row[1]),
        "Search": lambda row: words_of(" ".join(row)),
    }[name]
    texts = [set(words(row)) for row in ROWS]
    frequent = {w for text in texts for w in text if sum(w in t for t in texts) > 0.4 * len(texts)}
    assert frequent
    assert set(facts["learnt_stop_words"]) == frequent
    assert set(recorded(tmp_path / "a", name)["stop_words"]) == frequent | {"x"}
    if name == "TopicalPageRank":
        assert not frequent & set(read(tmp_path / "a").word_index)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("asked", [0, 1, "many", True, {}, {"max_document_share": 0.3, "x": 1}])
def test_a_faulty_share_is_refused_before_the_corpus_is_read(tmp_path, name, asked):
    with pytest.raises(ArtifactError, match="learn_stop_words is"):
        train(name, tmp_path / "none.csv", tmp_path / "a", learn_stop_words=asked)


def test_stop_words_do_not_count_in_a_similarity(tmp_path, corpus):
    train("DocSim", corpus, tmp_path / "a", extra_stop_words=["impfstoff"])
    model = load_model(tmp_path / "a")
    answer = model.predict(Request("text/csv", None, b"Impfstoff,Impfstoff Erbgut\n"))
    assert json.loads(answer.body) == ["0.00"]


def test_with_the_original_list_similarities_are_the_original_ones(tmp_path, corpus, oracle):
    """`n_similarity` of the words that remain, as the original handler computed it."""
    stop_words = json.loads((oracle / "stoplist.json").read_text("utf-8"))
    train("DocSim", corpus, tmp_path / "a", stop_words=stop_words)
    vectors = KeyedVectors.load(str(tmp_path / "a" / "DocSim-model"))
    model = load_model(tmp_path / "a")
    one, other = ROWS[1][1], ROWS[2][1]

    def words(text):
        found = simple_preprocess(text)
        return [word for word in found if word not in stop_words and word in vectors]

    answer = model.predict(Request("text/csv", None, f'"{one}","{other}"'.encode()))
    assert json.loads(answer.body) == [str(vectors.n_similarity(words(one), words(other)))]


def test_with_the_original_list_keyphrases_are_the_original_ones(tmp_path, corpus, oracle):
    """A trained artifact with the reference's topics in it answers as pke did."""
    stop_words = json.loads((oracle / "stoplist.json").read_text("utf-8"))
    train("TopicalPageRank", corpus, tmp_path / "a", stop_words=stop_words)
    topics = np.load(oracle / "lda.npz")
    write_lda(
        tmp_path / "a" / "TopicalPageRank-model",
        topics["vocabulary"].tolist(),
        topics["components"],
        topics["exp_dirichlet_component"],
        float(topics["doc_topic_prior"]),
    )
    lda = read(tmp_path / "a")
    values = recorded(tmp_path / "a", "TopicalPageRank")
    for case in json.loads((oracle / "cases.json").read_text("utf-8"))["cases"]:
        params = parse_params(Params("p", {**case["params"], "stop_words": values["stop_words"]}))
        sentences = [
            list(zip(sentence["tokens"], sentence["pos"], strict=True))
            for sentence in case["sentences"]
        ]
        found = rank(sentences, params, lda, params.stop_words)[: case["params"]["n"]]
        expected = case["expected"]["pke-1.8.1"]["keyphrases"]
        assert [phrase for phrase, _ in found] == [phrase for phrase, _ in expected]
        assert [score for _, score in found] == pytest.approx([s for _, s in expected], abs=1e-9)


# Keys


@pytest.mark.parametrize("name", FAMILIES)
def test_a_key_that_is_probably_misspelt_is_warned_of_and_kept(tmp_path, corpus, name, caplog):
    with caplog.at_level(logging.WARNING):
        train(name, corpus, tmp_path / "a", extra_stopwords=["a"], note="mine", sede=3)
    assert caplog.messages == [
        f"{name}-params.json: nothing is known of 'extra_stopwords'; is 'extra_stop_words' meant?",
        f"{name}-params.json: nothing is known of 'sede'; is 'seed' meant?",
    ]
    assert recorded(tmp_path / "a", name)["note"] == "mine"


@pytest.mark.parametrize("name", FAMILIES)
def test_no_parameter_in_use_is_taken_for_a_misspelt_one(tmp_path, corpus, name, caplog):
    train(name, corpus, tmp_path / "a", **PARAMS[name])
    assert caplog.messages == []
