"""What training tells of what it learnt: topics, the course of learning, texts that are related."""

from __future__ import annotations

import math

import numpy as np
import pytest
from gensim.models import KeyedVectors
from gensim.models.doc2vec import Doc2Vec, TaggedDocument

from models.corpus_reader import read_corpus
from models.DocSim.learning import MAX_MEASUREMENTS, LearningCurve
from models.DocSim.nearest_words import nearest_words
from models.DocSim.params import parse_params
from models.DocSim.related_texts import BINS, similarity_facts
from models.DocSim.texts import TextReader
from models.DocSim.vectors import WordVectors
from models.params import Params
from models.registry import family
from models.serving import Material, no_progress
from models.TopicalPageRank.learnt_topics import (
    MAX_TOPICS,
    SHOWN_CHARS,
    TOP_WORDS,
    titles_led,
    topic_facts,
)

WORDS = ("aa", "bb", "cc", "dd", "ee", "ff", "gg", "hh")


def train(name, folder, rows, head="title,claim_text", **params):
    path = folder / "c.csv"
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    out = folder / f"out{len(list(folder.iterdir()))}"
    out.mkdir()
    given = Material(path, {"language": "de", **params})
    return family(name).train(given, out, no_progress).facts


# Topics


def test_a_title_without_counted_words_is_led_by_no_topic():
    assert titles_led(np.array([0, 2, 2, 0]), np.array([2, 1, 1, 0]), 4).tolist() == [1, 0, 2, 0]


def test_topics_come_by_the_titles_they_lead_with_their_heaviest_words():
    components = np.array([[1.0, 3.0, 0.0], [2.0, 2.0, 4.0]])
    assert topic_facts(["a", "b", "c"], components, np.array([1, 5])) == [
        {"topic": 1, "titles_led": 5, "words": [["c", 0.5], ["a", 0.25], ["b", 0.25]]},
        {"topic": 0, "titles_led": 1, "words": [["b", 0.75], ["a", 0.25], ["c", 0.0]]},
    ]


def test_of_many_topics_and_words_only_the_first_are_told():
    words = [f"w{n}" * 1000 for n in range(50)]
    told = topic_facts(words, np.ones((300, 50)), np.arange(300))
    assert len(told) == MAX_TOPICS
    assert told[0]["topic"] == 299
    assert len(told[0]["words"][0][0]) == SHOWN_CHARS  # type: ignore[index]
    assert {len(topic["words"]) for topic in told} == {TOP_WORDS}  # type: ignore[arg-type]


def test_training_topics_tells_the_words_that_go_together(tmp_path):
    rows = ["Impfung Virus Masken,x", "Strom Wind Kohle,x"] * 20 + ["Das ist nicht so,x"]
    facts = train("TopicalPageRank", tmp_path, rows, n_topics=2)
    topics = facts["topic_words"]
    assert [topic["titles_led"] for topic in topics] == [20, 20]
    found = [{word for word, _ in topic["words"][:3]} for topic in topics]
    assert {"impfung", "virus", "masken"} in found
    assert {"strom", "wind", "kohle"} in found
    assert facts["titles_without_topic"] == 1
    assert 1 < facts["perplexity"] < 10


# The course of learning


def documents_of(texts):
    return [TaggedDocument(text.split(), [number]) for number, text in enumerate(texts)]


def fitted(documents, *callbacks, epochs=5):
    model = Doc2Vec(vector_size=6, min_count=1, epochs=epochs, seed=1, workers=1)
    model.build_vocab(documents)
    model.train(documents, total_examples=len(documents), epochs=epochs, callbacks=callbacks)
    return model


def test_measuring_changes_nothing_of_what_is_learnt():
    documents = documents_of(["aa bb cc dd", "ee ff gg hh", "aa bb gg hh"] * 5)
    plain = fitted(documents)
    measured = fitted(documents, LearningCurve(documents, (), 1))
    np.testing.assert_array_equal(plain.wv.vectors, measured.wv.vectors)
    np.testing.assert_array_equal(plain.dv.vectors, measured.dv.vectors)


def test_an_untrained_model_guesses_and_a_trained_one_does_better(tmp_path):
    rows = ["t,Impfung Virus Masken Arzt Klinik Spritze", "t,Strom Wind Kohle Gas Netz Preis"] * 30
    facts = train("DocSim", tmp_path, rows, vector_size=8, min_count=1, epochs=40)
    points = facts["learning"]["epochs"]
    assert points[0]["epoch"] == 0
    assert points[0]["log_loss"] == round(math.log(2), 4) == facts["learning"]["chance"]
    assert points[-1]["epoch"] == 40
    assert points[-1]["log_loss"] < points[0]["log_loss"]
    assert points[-1]["same_text"] > points[-1]["different_texts"]


@pytest.mark.parametrize(("epochs", "points"), [(1, 2), (MAX_MEASUREMENTS, 26), (999, 26)])
def test_it_is_measured_before_at_times_and_at_the_end(epochs, points):
    documents = documents_of(["aa bb cc dd", "ee ff gg hh"])
    curve = LearningCurve(documents, (), 1)
    fitted(documents, curve, epochs=epochs)
    told = [point["epoch"] for point in curve.facts()["epochs"]]  # type: ignore[attr-defined]
    assert len(told) == points
    assert (told[0], told[-1]) == (0, epochs)


def test_the_log_loss_is_that_of_the_training_task():
    documents = documents_of(["aa bb", "cc dd", "ee aa"])
    curve = LearningCurve(documents, (), 1)
    model = fitted(documents, curve, epochs=200)
    guesses = curve._guesses
    losses = []
    for text, words in zip(guesses._texts, guesses._words, strict=True):
        target = model.wv.index_to_key[words[0]]
        (neighbour,) = (word for word in documents[text].words if word != target)
        context = (model.wv[neighbour] + model.dv[int(text)]) / 2
        for word, sign in zip(words, [1, -1, -1, -1, -1, -1], strict=True):
            losses.append(math.log1p(math.exp(-sign * float(context @ model.syn1neg[word]))))
    assert guesses.log_loss(model) == pytest.approx(np.mean(losses), rel=1e-5)


def test_the_similarities_of_halves_are_those_of_gensim():
    documents = documents_of(["aa bb cc dd", "ee ff gg hh", "bb und dd ff ee", "aa bb"])
    curve = LearningCurve(documents, {"und"}, 1)
    model = fitted(documents, curve)
    halves = [(["aa", "bb"], ["cc", "dd"]), (["ee", "ff"], ["gg", "hh"]),
              (["bb", "dd"], ["ff", "ee"])]  # fmt: skip
    cosines = np.array([
        [model.wv.n_similarity(first, second) for _, second in halves] for first, _ in halves
    ])  # fmt: skip
    same, different = curve._halves.similarities(model)
    assert same == pytest.approx(np.diag(cosines).mean(), abs=1e-6)
    assert different == pytest.approx((cosines.sum() - np.trace(cosines)) / 6, abs=1e-6)


def test_texts_too_short_to_be_measured_are_not():
    documents = documents_of(["aa", "bb"])
    curve = LearningCurve(documents, (), 1)
    fitted(documents, curve)
    facts = curve.facts()
    assert (facts["decisions"], facts["texts"]) == (0, 0)
    assert facts["epochs"][-1] == {  # type: ignore[index]
        "epoch": 5, "log_loss": None, "same_text": None, "different_texts": None,
    }  # fmt: skip


# Related and unrelated texts


@pytest.fixture
def reader():
    """Of words that have nothing to do with each other."""
    params = parse_params(Params("DocSim-params.json", {"language": "de", "stop_words": []}))
    vectors = np.eye(len(WORDS), dtype=np.float32)
    return TextReader(params, WordVectors({word: n for n, word in enumerate(WORDS)}, vectors))


def similarities(folder, reader, rows, head="title,claim_text"):
    path = folder / "c.csv"
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return similarity_facts(read_corpus(path, "claim_text"), "title", reader, 1)


def test_a_title_is_compared_with_its_own_text_and_with_that_of_another_row(tmp_path, reader):
    rows = [f"{one} {other},{one}" for one, other in zip(WORDS[::2], WORDS[1::2], strict=True)]
    found = similarities(tmp_path, reader, [*rows, "unbekannt,fremd", ",bb"])
    assert found["related"] == "a title and its text"
    assert found["auroc"] == 1
    assert (found["related_mean"], found["unrelated_mean"]) == (0.7071, 0)
    assert found["pairs_without_known_words"] == 1
    counts = found["related_counts"]
    assert len(counts) == BINS
    assert counts[34] == found["related_pairs"] == 4  # from 0.7 to 0.75


@pytest.mark.parametrize("title", ["", "same"])
def test_without_titles_of_their_own_the_halves_of_texts_are_compared(tmp_path, reader, title):
    texts = [f"{word} {word}" for word in WORDS]
    rows = [f"{title and text},{text}" for text in texts]
    found = similarities(tmp_path, reader, rows)
    assert found["related"] == "the two halves of a text"
    assert (found["auroc"], found["related_pairs"]) == (1, len(WORDS))


def test_a_corpus_needs_no_column_of_titles(tmp_path, reader):
    found = similarities(tmp_path, reader, [f"{word} {word}" for word in WORDS], "claim_text")
    assert found["related"] == "the two halves of a text"


@pytest.mark.parametrize("rows", [["aa,aa bb"], ["xx,yy zz", "zz,xx yy"], ["aa,bb cc", ",dd"]])
def test_too_few_pairs_tell_nothing(tmp_path, reader, rows):
    assert similarities(tmp_path, reader, rows) == {}


# Nearest words


def test_the_commonest_words_come_with_those_nearest_to_them():
    vectors = KeyedVectors(2)
    vectors.add_vectors(["nah", "fern", "und", "gleich"],
                        np.array([[1, 0], [0, 2], [1, 0], [3, 0.3]], np.float32))  # fmt: skip
    for word, count in (("nah", 9), ("fern", 5), ("und", 50), ("gleich", 2)):
        vectors.set_vecattr(word, "count", count)
    found = nearest_words(vectors, {"und"})
    assert [(told["word"], told["count"]) for told in found] == [
        ("nah", 9), ("fern", 5), ("gleich", 2),
    ]  # fmt: skip
    assert found[0]["nearest"] == [["gleich", 0.995], ["fern", 0.0]]
    assert nearest_words(vectors, {"nah", "fern", "und", "gleich"}) == []
    assert nearest_words(vectors, {"nah", "fern", "und"}) == []
