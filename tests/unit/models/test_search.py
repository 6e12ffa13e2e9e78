"""What Search finds, and what it says to requests good and bad."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys

import pytest

from models.errors import ArtifactError, BadInput, NotAcceptable, UnsupportedContentType
from models.registry import family, load_model
from models.serving import Material, no_progress
from tests.unit.models.conftest import PROJECT, ROWS, Asker

CORPUS = [
    ("fc-1", "Keine Pflicht zur Maske im Freien", "In Parks gilt sie nicht.", "https://a.example/1"),
    ("fc-2", "Impfstoffe verändern das Erbgut nicht", "Die mRNA bleibt außen.", "https://a.example/2"),
    ("fc-3", "Der CO2-Preis steigt auf 55 Euro", "So steht es im Gesetz von 2021.", ""),
    ("fc-4", "5G verbreitet kein Virus", "Mobilfunk ist Strahlung.", "https://a.example/4"),
    ("fc-5", "Es starben keine 10.000 Kühe", "Die Zahl ist erfunden, sagt der Bauer.", ""),
]  # fmt: skip


def train(folder, rows, header=("id", "title", "claim_text", "url"), **params):
    folder.mkdir(exist_ok=True)
    path = folder / "corpus.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    out = folder / "artifact"
    out.mkdir()
    family("Search").train(Material(path, {"language": "de", **params}), out, no_progress)
    return out


def asker(folder, rows=CORPUS, **params):
    return Asker(load_model(train(folder, rows, **params)), "text/plain")


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    return asker(tmp_path_factory.mktemp("search"))


def found(answer):
    return [match["id"] for match in json.loads(answer.body)["matches"]]


@pytest.mark.parametrize(
    ("claim", "best"),
    [
        ("Die Maskenpflicht gilt auch draußen", "fc-1"),
        ("Ein Impfstoff verändere unser Erbgut", "fc-2"),
        ("VERAENDERT die Impfung das Erbgut?", "fc-2"),
        ("CO₂ wird teurer", "fc-3"),
        ("5g macht krank", "fc-4"),
        ("10000 Rinder tot", "fc-5"),
        ("Kuh", "fc-5"),
        ("Was war 2021?", "fc-3"),
        ("Mobilfunkstrahlen", "fc-4"),
    ],
)
def test_compounds_forms_and_figures_find_what_they_are_about(ask, claim, best):
    assert found(ask(claim))[0] == best


def test_a_match_gives_the_id_the_score_and_all_columns(ask):
    (match, *_) = json.loads(ask("Impfstoffe und Erbgut").body)["matches"]
    assert list(match) == ["id", "score", "relevance", "title", "claim_text", "url"]
    assert match.pop("score") > 0
    assert 0 < match.pop("relevance") < 1
    assert tuple(match.values()) == CORPUS[1]


def test_matches_come_best_first_and_none_has_nothing_in_common(ask):
    matches = json.loads(ask("5G, Freien").body)["matches"]
    scores = [match["score"] for match in matches]
    assert scores == sorted(scores, reverse=True)
    assert min(scores) > 0
    assert {match["id"] for match in matches} == {"fc-1", "fc-4"}


def test_a_claim_of_unknown_words_finds_nothing(ask):
    assert json.loads(ask("xyzzyqq wjkqv").body) == {"matches": []}
    assert json.loads(ask("?!").body) == {"matches": []}
    assert ask("xyzzyqq", accept="text/csv").body == "id,score,relevance,title,claim_text,url\n"


def test_the_score_is_about_the_share_of_the_claim_that_is_found(ask):
    whole, half = (
        json.loads(ask(claim).body)["matches"][0]["score"]
        for claim in ("Mobilfunk ist Strahlung", "Mobilfunk ist Strahlung, sagt Xyzzyqq Wjkqvnbb")
    )
    assert 0.7 < whole < 1.5
    assert half < 0.75 * whole


def test_json_asks_for_one_claim_or_several(ask):
    one = ask.json({"claim": "Masken im Freien", "top_k": 1})
    assert [match["id"] for match in one["matches"]] == ["fc-1"]
    two = ask.json({"claims": ["Masken im Freien", "xyzzyqq", "Kühe"], "top_k": 1})
    assert [[match["id"] for match in result["matches"]] for result in two["results"]] == [
        ["fc-1"], [], ["fc-5"],
    ]  # fmt: skip
    assert ask.json({"claims": []}) == {"results": []}


def test_a_bad_claim_of_several_gets_an_error_in_its_place(ask):
    claims = ["", "Kühe", None]
    blank, found, missing = ask.json({"claims": claims, "top_k": 1})["results"]
    assert blank == {"error": "Claim 0 is blank: send the claim to find fact-checks for"}
    assert missing == {"error": "Claim 2 must be a string, not null"}
    assert [match["id"] for match in found["matches"]] == ["fc-5"]
    body = json.dumps({"claims": claims, "top_k": 1})
    rows = list(csv.DictReader(io.StringIO(ask(body, "application/json", accept="text/csv").body)))
    assert [(row["claim"], row["id"]) for row in rows] == [("1", "fc-5")]


def test_shared_words_are_shown_when_asked_for(ask):
    claim = "Der Impfstoff verändert Gene, das Erbgut also nicht"
    (match, *_) = ask.json({"claim": claim, "show_words": True})["matches"]
    assert match["words"] == ["impfstoff", "erbgut"]
    answer = ask(json.dumps({"claim": claim, "show_words": True}), "application/json", "text/csv")
    assert next(csv.DictReader(io.StringIO(answer.body)))["words"] == "impfstoff erbgut"


def test_csv_has_a_header_and_numbers_several_claims(ask):
    body = json.dumps({"claims": ["Kühe", "Masken"], "top_k": 1})
    rows = list(csv.DictReader(io.StringIO(ask(body, "application/json", accept="text/csv").body)))
    assert [(row["claim"], row["id"]) for row in rows] == [("0", "fc-5"), ("1", "fc-1")]
    assert rows[0]["title"] == CORPUS[4][1]


def test_fields_choose_the_columns_of_answers(tmp_path):
    ask = asker(tmp_path, fields=["url", "id"])
    assert set(json.loads(ask("Erbgut").body)["matches"][0]) == {"id", "score", "relevance", "url"}
    with pytest.raises(ArtifactError, match="fields is 'url': it must be a list of columns"):
        asker(tmp_path / "b", fields="url")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "must be an object"),
        ({}, 'either "claim" or "claims"'),
        ({"claim": "a", "claims": []}, 'either "claim" or "claims"'),
        (
            {"claim": "a", "k": 3},
            "Unknown key 'k'; known keys: claim, claims, top_k, min_relevance, show_words, explain",
        ),
        ({"claim": 3}, "claim must be a string, not a number"),
        ({"claim": " \n"}, "claim is blank"),
        ({"claim": "a\0"}, r"claim holds U\+0000"),
        ({"claim": "a\ud800"}, r"claim holds U\+D800"),
        ({"claim": "a", "top_k": 0}, "top_k must be a whole number from 1 to 1000, not 0"),
        ({"claim": "a", "top_k": 1001}, "top_k must be"),
        ({"claim": "a", "top_k": True}, "top_k must be"),
        ({"claim": "a", "show_words": 1}, "show_words must be true or false, not 1"),
        ({"claims": "a"}, "claims must be a list of strings, not 'a'"),
        ({"claims": ["a"] * 101}, "There are 101 claims; at most 100 are taken"),
        ({"claims": ["a"] * 11, "top_k": 1000}, "could have 11000 matches; at most 10000"),
    ],
)
def test_bad_questions_are_refused_with_the_reason(ask, value, message):
    with pytest.raises(BadInput, match=message):
        ask.json(value)


def test_bad_bodies_and_types_are_refused(ask):
    for body in ("", "  ", "\0", b"\xff"):
        with pytest.raises(BadInput):
            ask(body)
    with pytest.raises(BadInput, match="nested too deeply"):
        ask("[" * 100_000, "application/json")
    with pytest.raises(UnsupportedContentType):
        ask("a,b", "text/csv")
    with pytest.raises(NotAcceptable):
        ask("a", accept="image/png")


def test_texts_have_a_limit_together_too(tmp_path):
    ask = asker(tmp_path, max_chars=50)
    assert found(ask("Kühe " * 10))
    with pytest.raises(BadInput, match="51 characters; at most 50"):
        ask("a" * 51)
    with pytest.raises(BadInput, match="The claims have 60 characters"):
        ask.json({"claims": ["a" * 30, "b" * 30]})


def test_a_claim_of_a_million_characters_is_answered(ask):
    assert found(ask("Kühe " * 200_000)) == ["fc-5"]
    assert found(ask("Erbgut" * 160_000))[0] == "fc-2"
    claim = " ".join(f"erbgut{number}" for number in range(70_000))
    assert ask.json({"claim": claim, "show_words": True})["matches"][0]["words"] == []


def test_equal_documents_come_in_their_order(tmp_path):
    rows = [(f"fc-{n}", "Das Erbgut", "bleibt", str(n)) for n in range(9)]
    assert found(asker(tmp_path, rows)("Erbgut")) == [f"fc-{n}" for n in range(9)]


@pytest.mark.parametrize(
    ("language", "text", "claim"),
    [
        ("en", "Vaccines do not change our genes", "a vaccine changing genes"),
        ("nl", "Vaccins veranderen het erfgoed niet", "vaccinatie en erfgoed"),
        ("fr", "Les vaccins ne modifient pas les gènes", "la vaccination modifie le gene"),
    ],
)
def test_other_languages_are_searched_too(tmp_path, language, text, claim):
    rows = [("1", text, "", ""), ("2", "5G 2024", "", "")]
    assert found(asker(tmp_path, rows, language=language)(claim)) == ["1"]


def test_the_model_describes_itself(search):
    described = search.model.describe()
    assert described["documents"] == len(ROWS)
    assert described["columns"] == ["id", "title", "claim_text", "category"]


def test_a_worker_needs_neither_scipy_nor_what_trains(trained):
    code = (
        "import sys, pathlib; from models.registry import load_model;"
        "from models.serving import Request;"
        f"model = load_model(pathlib.Path({str(trained['Search'])!r}));"
        "model.predict(Request(None, None, b'Erbgut'));"
        "print(*{'spacy', 'gensim', 'sklearn', 'scipy', 'HanTa'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT
    )
    assert done.stdout.strip() == ""
