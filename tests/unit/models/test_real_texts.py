"""Texts as people send them, with tags, invisible characters and words that are hard to split."""

from __future__ import annotations

import json

import numpy as np
import pytest

from models.DocSim.prepare import prepare_documents
from models.registry import family, load_model
from models.serving import Material, Request, no_progress
from tests.unit.models.conftest import PARAMS, Asker, write_corpus


@pytest.fixture
def changed(trained, tmp_path):
    """A function that asks a trained artifact whose parameters are changed."""

    def ask(name, content_type, without=(), **values):
        for file in trained[name].iterdir():
            (tmp_path / file.name).write_bytes(file.read_bytes())
        path = tmp_path / f"{name}-params.json"
        params = {**json.loads(path.read_text("utf-8")), **values}
        path.write_text(json.dumps({k: v for k, v in params.items() if k not in without}))
        return Asker(load_model(tmp_path), content_type)

    return ask


PLAIN = "Der neue Impfstoff verändert das menschliche Erbgut nicht."
MESSY = [
    "<p>Der <em>neue</em> Impfstoff verändert<br>das menschliche Erbgut nicht.</p>",
    "Der neue Impf\u00adstoff verändert das mensch\u00adliche Erb\u00adgut nicht.",
    "Der neue Impf\u200bstoff ver\u200dändert das\u2060 menschliche Erbgut nicht.\ufeff",
    "Der neue Impfstoff vera\u0308ndert das menschliche Erbgut nicht.",
    "Der neue Impf&shy;stoff ver&auml;ndert&nbsp;das menschliche &#69;rbgut nicht.",
    "Der neue Impfstoff<!-- nie --> verändert das menschliche Erbgut nicht.",
]


@pytest.mark.parametrize("text", MESSY, ids=range(len(MESSY)))
def test_every_family_that_cleans_sees_the_words_only(keyphrases, similarity, text):
    assert json.loads(keyphrases(text).body) == json.loads(keyphrases(PLAIN).body)
    pairs = [[text, "Masken"], [PLAIN, "Masken"], ["Masken", text], ["Masken", PLAIN]]
    first, second, third, fourth = similarity.json({"pairs": pairs})["similarities"]
    assert first == second
    assert third == fourth
    wanted = similarity.json({"query": "Erbgut", "documents": [PLAIN]})["matches"][0]["score"]
    (match,) = similarity.json({"query": "Erbgut", "documents": [text]})["matches"]
    assert match == {"index": 0, "score": wanted, "document": text}


def test_the_original_reads_texts_as_they_come(keyphrases, similarity, changed):
    original = changed("TopicalPageRank", "text/plain", compat="original")
    assert json.loads(original(PLAIN).body) == json.loads(keyphrases(PLAIN).body)
    assert "impf\u00adstoff" in original(MESSY[1]).body
    assert "g" in {phrase for phrase, _ in json.loads(original("Impfung mit 5G").body)}
    english = "The city will close all of its parks before the winter."
    assert set(original.json({"text": english})) == {"keyphrases", "pipeline"}


@pytest.mark.parametrize("values", [{"compat": "original"}, {"clean_texts": "false"}, {}])
def test_an_artifact_that_does_not_say_so_cleans_nothing(similarity, changed, values):
    before = changed("DocSim", "text/csv", () if values else ("clean_texts",), **values)
    pairs = {"pairs": [[PLAIN, "Masken"], [MESSY[1], "Masken"]]}
    plain, messy = before.json(pairs)["similarities"]
    assert plain == similarity.json(pairs)["similarities"][0]
    assert messy != plain


def test_training_cleans_as_serving_does(tmp_path):
    clean = write_corpus(tmp_path / "clean.csv")
    messy = tmp_path / "messy.csv"
    text = clean.read_text("utf-8").replace("Impfstoff", "Impf\u00adstoff").replace("ä", "a\u0308")
    messy.write_text(text.replace("Erbgut", "<b>Erb</b>gut"), "utf-8")
    for name in ("DocSim", "TopicalPageRank"):
        folders = [tmp_path / f"{name}-{corpus.stem}" for corpus in (clean, messy)]
        for folder, corpus in zip(folders, (clean, messy), strict=True):
            folder.mkdir()
            family(name).train(Material(corpus, PARAMS[name]), folder, no_progress)
        first, second = ((folder / f"{name}-model").read_bytes() for folder in folders)
        assert first == second


def test_prepared_documents_are_cleaned_too(trained, tmp_path):
    for file in trained["DocSim"].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    table = tmp_path / "table.jsonl"
    lines = [json.dumps({"claim_text": text}) for text in (PLAIN, *MESSY)]
    table.write_text("\n".join(lines), "utf-8")
    assert prepare_documents(tmp_path, table) == len(lines)
    units = np.load(tmp_path / "DocSim-documents.npy")
    assert (units == units[0]).all()


KEYPHRASES = {
    "Viele sagen, 5G macht krank.": {"5g"},
    "Der Wald speichert CO2.": {"wald", "co2"},
    "Die Regeln, z. B. Abstand, helfen i. d. R. den Menschen.": {"regeln", "abstand", "menschen"},
    "Alle Wähler:innen sind gefragt.": {"wähler:innen"},
    'Die "Stern"-Umfrage ist echt.': {"stern-umfrage"},
}


@pytest.mark.parametrize("text", KEYPHRASES, ids=ascii)
def test_keyphrases_are_whole_words(keyphrases, text):
    assert {phrase for phrase, _ in json.loads(keyphrases(text).body)} == KEYPHRASES[text]


ENGLISH = "The city will close all of its parks before the winter."


def test_a_text_in_another_language_is_told(keyphrases):
    said = {
        "language": "en",
        "warning": "This text looks English; this model is for German",
    }
    answer = keyphrases.json({"text": ENGLISH})
    assert {**answer, **said} == answer
    first, second = keyphrases.json([PLAIN, ENGLISH])["results"]
    assert set(first) == {"keyphrases"}
    assert {**second, **said} == second


def test_plain_text_in_another_language_is_no_single_phrase(keyphrases):
    found = json.loads(keyphrases(ENGLISH).body)
    assert all(len(phrase.split()) < 4 for phrase, _ in found)


@pytest.mark.parametrize("text", ["\u200b", "<p></p>", "&nbsp;", "<!-- nie -->"])
def test_a_text_with_nothing_left_has_no_keyphrases(keyphrases, similarity, text):
    assert json.loads(keyphrases(text).body) == []
    assert similarity.json({"text1": text, "text2": PLAIN}) == {"similarity": 0.0}


def test_a_request_that_was_cleaned_is_answered_like_any_other(keyphrases):
    body = json.dumps({"text": MESSY[0], "max_count": 1}).encode()
    answer = keyphrases.model.predict(Request("application/json", None, body))
    assert len(json.loads(answer.body)["keyphrases"]) == 1
