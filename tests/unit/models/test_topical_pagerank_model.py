"""TopicalPageRank as a caller meets it: artifacts in, requests in, answers out."""

from __future__ import annotations

import csv
import gzip
import io
import json
import pickle
from typing import Any

import numpy as np
import pytest

from models.errors import ArtifactError, BadInput, NotAcceptable, UnsupportedContentType
from models.language.pipelines import pipeline
from models.params import Params
from models.registry import load_model
from models.serving import Needs, Request
from models.TopicalPageRank.lda import Lda
from models.TopicalPageRank.model import TopicalPageRankModel
from models.TopicalPageRank.params import parse_params

TEXT = "Ein neuer Impfstoff schützt. Der neue Impfstoff verändert das menschliche Erbgut nicht."


def test_plain_text_is_answered_with_the_bare_list(keyphrases):
    answer = keyphrases(TEXT)
    found = json.loads(answer.body)
    assert answer.content_type == "application/json"
    assert 0 < len(found) <= 5
    assert all(phrase in TEXT.lower() for phrase, _ in found)
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True)


def test_a_missing_content_type_means_plain_text(keyphrases):
    model = keyphrases.model
    assert model.predict(Request(None, None, TEXT.encode())) == keyphrases(TEXT)
    assert model.predict(Request("", "*/*", TEXT.encode())) == keyphrases(TEXT)


def test_one_text_in_json_is_answered_with_an_object(keyphrases):
    plain = json.loads(keyphrases(TEXT).body)
    wanted = {
        "keyphrases": [{"phrase": phrase, "score": score} for phrase, score in plain],
        "pipeline": "built-in de",
    }
    assert keyphrases.json({"text": TEXT}) == keyphrases.json(TEXT) == wanted


def test_many_texts_are_answered_each_on_its_own(keyphrases):
    texts = [TEXT, "Windräder töten viele Vögel.", TEXT]
    alone = [{"keyphrases": keyphrases.json(text)["keyphrases"]} for text in texts]
    wanted = {"results": alone, "pipeline": "built-in de"}
    assert keyphrases.json({"texts": texts}) == keyphrases.json(texts) == wanted
    assert keyphrases.json([]) == {"results": [], "pipeline": "built-in de"}


def test_a_bad_text_of_many_gets_an_error_in_its_place(keyphrases):
    answer = keyphrases.json({"texts": [" ", TEXT, 5]})
    assert answer["results"] == [
        {"error": "Text 0 is blank: send the text to find keyphrases in"},
        {"keyphrases": keyphrases.json(TEXT)["keyphrases"]},
        {"error": "Text 2 must be a string, not a number (5)"},
    ]
    body = json.dumps([" ", TEXT, 5])
    rows = list(csv.reader(io.StringIO(keyphrases(body, "application/json", "text/csv").body)))
    assert {row[0] for row in rows} == {"1"}


def test_max_count_may_be_asked_for(keyphrases):
    assert len(keyphrases.json({"text": TEXT, "max_count": 1})["keyphrases"]) == 1
    many = " ".join(f"Das Haus{letter} steht." for letter in "abcdefghijklmn")
    assert len(keyphrases.json({"text": many, "max_count": 12})["keyphrases"]) == 12
    assert len(keyphrases.json({"text": many})["keyphrases"]) == 5


def test_csv_has_a_line_for_each_phrase(keyphrases):
    plain = json.loads(keyphrases(TEXT).body)
    answer = keyphrases(TEXT, accept="text/csv")
    assert answer.content_type == "text/csv"
    rows = list(csv.reader(io.StringIO(answer.body)))
    assert [[phrase, float(score)] for phrase, score in rows] == plain
    body = json.dumps([TEXT, TEXT])
    rows = list(csv.reader(io.StringIO(keyphrases(body, "application/json", "text/csv").body)))
    assert [row[0] for row in rows] == ["0"] * len(plain) + ["1"] * len(plain)


def test_a_text_that_is_the_path_of_a_file_is_text(keyphrases, tmp_path):
    secret = tmp_path / "Geheimnis.txt"
    secret.write_text("Sprengstoff Tresor", encoding="utf-8")
    assert "sprengstoff" not in keyphrases(str(secret)).body


@pytest.mark.parametrize("text", ["und oder aber", "!!! ???", "1234", "🙂" * 50, "\u200b"])
def test_a_text_without_phrases_has_an_empty_answer(keyphrases, text):
    assert keyphrases(text).content_type == "application/json"
    assert isinstance(json.loads(keyphrases(text).body), list)


@pytest.mark.parametrize(
    "body",
    [b"", b" \n\t", b"\xff\xfe\xfa", b"a\0b", b"\xef\xbb\xbf", b"x" * 1_000_001],
    ids=range(6),
)
def test_unusable_plain_text_is_bad_input(keyphrases, body):
    with pytest.raises(BadInput):
        keyphrases(body)


@pytest.mark.parametrize(
    "value",
    [
        {},
        7,
        None,
        True,
        "",
        {"text": 5},
        {"text": ["x"]},
        {"text": ""},
        {"texts": "x"},
        {"texts": {}},
        {"texts": None},
        {"text": "x", "texts": ["y"]},
        {"text": "x", "max_count": 0},
        {"text": "x", "max_count": "5"},
        {"text": "x", "max_count": True},
        {"text": "x", "maxcount": 5},
        {"text": "\ud800"},
        ["x" * 600_000, "x" * 600_000],
    ],
    ids=lambda value: str(value)[:30],
)
def test_unusable_json_is_bad_input(keyphrases, value):
    with pytest.raises(BadInput) as caught:
        keyphrases.json(value)
    assert len(caught.value.message) < 400


def test_other_types_are_refused(keyphrases):
    with pytest.raises(UnsupportedContentType):
        keyphrases(TEXT, "text/csv")
    with pytest.raises(NotAcceptable):
        keyphrases(TEXT, accept="text/html")


def test_the_description_is_json(keyphrases):
    described = keyphrases.model.describe()
    assert json.loads(json.dumps(described)) == described
    assert described["family"] == "TopicalPageRank"
    assert (described["language"], described["topics"]) == ("de", 3)


WORDS = ["impfstoff", "erbgut"]
MATRIX = np.array([[3.0, 1.0], [1.0, 2.0]])
PARAMS = {"language": "de"}


@pytest.fixture
def artifact(tmp_path):
    """Writes an artifact of these values and loads it."""

    def load(value, params=PARAMS, protocol=4):
        (tmp_path / "TopicalPageRank-params.json").write_text(json.dumps(params))
        packed = gzip.compress(pickle.dumps(value, protocol=protocol))
        (tmp_path / "TopicalPageRank-model").write_bytes(packed)
        return load_model(tmp_path)

    return load


@pytest.mark.parametrize(
    "vocabulary",
    [
        WORDS,
        tuple(WORDS),
        np.array(WORDS),
        np.array(WORDS, dtype=object),
        {"erbgut": 1, "impfstoff": 0},
        {"erbgut": np.int64(1), "impfstoff": np.int64(0)},
    ],
    ids=["list", "tuple", "array", "objects", "dict", "numpy-dict"],
)
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_the_vocabulary_may_come_in_any_of_its_forms(artifact, vocabulary, protocol):
    model = artifact((vocabulary, MATRIX, MATRIX, np.float64(0.5)), protocol=protocol)
    reference = artifact([WORDS, MATRIX, MATRIX, 0.5])
    request = Request("text/plain", None, TEXT.encode())
    assert model.predict(request) == reference.predict(request)


BROKEN = {
    "too few values": (WORDS, MATRIX, MATRIX),
    "no sequence": {"components": 1},
    "a word too many": ([*WORDS, "x"], MATRIX, MATRIX, 0.5),
    "a word twice": (["x", "x"], MATRIX, MATRIX, 0.5),
    "a column twice": ({"a": 0, "b": 0}, MATRIX, MATRIX, 0.5),
    "a column outside": ({"a": 0, "b": 2}, MATRIX, MATRIX, 0.5),
    "no words": ([1, 2], MATRIX, MATRIX, 0.5),
    "a vocabulary of numbers": (np.arange(2), MATRIX, MATRIX, 0.5),
    "other shapes": (WORDS, MATRIX, MATRIX[:1], 0.5),
    "a vector": (WORDS, MATRIX[0], MATRIX[0], 0.5),
    "no topics": (WORDS, MATRIX[:0], MATRIX[:0], 0.5),
    "whole numbers": (WORDS, MATRIX.astype(int), MATRIX, 0.5),
    "a list of lists": (WORDS, MATRIX.tolist(), MATRIX, 0.5),
    "not finite": (WORDS, MATRIX * np.nan, MATRIX, 0.5),
    "infinite": (WORDS, MATRIX, MATRIX * np.inf, 0.5),
    "negative": (WORDS, -MATRIX, MATRIX, 0.5),
    "no prior": (WORDS, MATRIX, MATRIX, None),
    "a prior of nothing": (WORDS, MATRIX, MATRIX, 0.0),
    "a prior without end": (WORDS, MATRIX, MATRIX, float("inf")),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_model_is_an_error_that_names_the_file(artifact, name):
    with pytest.raises(ArtifactError, match="TopicalPageRank-model: "):
        artifact(BROKEN[name])


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({}, "language is missing"),
        ({"language": "xx"}, "no stop words for language 'xx'"),
        ({"language": "../de"}, "language"),
        ({"language": "fr"}, "name an installed spaCy pipeline"),
        ({"language": "fr", "normalization": "stemming"}, "'stemming' needs a stemmer"),
        ({**PARAMS, "grammar": "NP: <x>"}, "grammar "),
        ({**PARAMS, "normalization": "lemmatization"}, "normalization is 'lemmatization'"),
        ({**PARAMS, "window": "1"}, "window is '1'"),
        ({**PARAMS, "max_count": -1}, "max_count is -1"),
        ({**PARAMS, "n_topics": "many"}, "n_topics is 'many'"),
        ({**PARAMS, "stop_words": "und"}, "stop_words is 'und'"),
        ({**PARAMS, "spacy_pipeline": "no_such_pipeline"}, "no installed spaCy pipeline"),
        ({**PARAMS, "spacy_pipeline": "/tmp"}, "no installed spaCy pipeline"),
        ({**PARAMS, "spacy_pipeline": "."}, "no installed spaCy pipeline"),
        ({**PARAMS, "spacy_pipeline": "os"}, "no installed spaCy pipeline"),
    ],
)
def test_bad_parameters_are_an_error_that_says_which(artifact, params, said):
    with pytest.raises(ArtifactError, match=r"TopicalPageRank-params\.json") as caught:
        artifact((WORDS, MATRIX, MATRIX, 0.5), params)
    assert said in caught.value.message


def test_parameters_as_strings_and_unknown_ones_are_fine(artifact):
    params = {
        "model_name": "x", "train_df": "y.csv", "taxonomy_uri": None, "language": "de",
        "window": "10", "max_count": "1", "n_topics": "2", "normalization": "None",
    }  # fmt: skip
    model = artifact((WORDS, MATRIX, MATRIX, 0.5), params)
    assert len(json.loads(model.predict(Request(None, None, TEXT.encode())).body)) == 1


def test_stop_words_may_be_replaced_and_added_to(artifact):
    model = (WORDS, MATRIX, MATRIX, 0.5)
    usual = artifact(model, PARAMS)
    replaced = artifact(model, {**PARAMS, "stop_words": ["impfstoff"]})
    added = artifact(model, {**PARAMS, "extra_stop_words": ["impfstoff"]})
    request = Request(None, None, TEXT.encode())
    assert usual.predict(request) != replaced.predict(request)
    assert replaced.predict(request) == added.predict(request)


def test_the_models_folder_is_left_as_it_was(trained):
    folder = trained["TopicalPageRank"]
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    model = load_model(folder)
    model.predict(Request(None, None, TEXT.encode()))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_model_with_an_engine_that_is_not_ours_is_no_data():
    engine: Any = object()  # what is asked for here does not use it
    lda = Lda({}, MATRIX, MATRIX, MATRIX.sum(axis=1), 0.5)
    params = parse_params(Params("p.json", PARAMS | {"n_topics": 2}))
    model = TopicalPageRankModel(params, lda, pipeline("de"), engine)
    assert model.needs() == Needs(is_data=False, pipeline="de")


def test_a_text_the_grammar_takes_too_long_on_is_refused(trained, monkeypatch):
    monkeypatch.setattr("models.TopicalPageRank.ranking.STEPS", 100)
    model = load_model(trained["TopicalPageRank"])
    with pytest.raises(BadInput, match="grammar takes too long"):
        model.predict(Request("text/plain", None, b"Das Haus und der Baum. " * 100))
