"""How likely a match is one, why it was found, and what a claim may look like."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import pytest

from models.errors import ArtifactError, BadInput
from models.mapped.folder import Mapped, read, write
from models.registry import family, load_model
from models.Search.analysis import Analyser
from models.Search.calibration import Seen, learn, report
from models.Search.corpus import Document
from models.Search.relevance import TYPICAL, Relevance
from models.Search.trials import choose_trials, foreign_claims
from models.serving import Material, no_progress
from tests.unit.models.conftest import PROJECT, ROWS, Asker
from tests.unit.models.test_search import CORPUS, asker, found, train


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    rows = [(f"fc-{number}", title, text, "") for number, (title, text) in enumerate(ROWS)]
    return train(tmp_path_factory.mktemp("search"), rows)


@pytest.fixture(scope="module")
def ask(artifact):
    return Asker(load_model(artifact), "text/plain")


def best(ask, claim, **options):
    return ask.json({"claim": claim, **options})["matches"][0]


def test_a_claim_with_a_document_is_more_relevant_than_one_without(ask):
    title = ROWS[0][0]
    assert best(ask, title)["relevance"] > 0.8
    foreign = ask.json({"claims": [*foreign_claims("de")], "top_k": 1})["results"]
    most = [result["matches"][0]["relevance"] for result in foreign if result["matches"]]
    assert np.mean(most) < 0.35


def test_matches_below_the_least_relevance_are_left_out(ask):
    claim = ROWS[0][0]
    everything = ask.json({"claim": claim})["matches"]
    least = everything[0]["relevance"]
    kept = ask.json({"claim": claim, "min_relevance": least - 1e-4})["matches"]
    assert kept == [match for match in everything if match["relevance"] >= least - 1e-4]
    assert kept
    assert len(kept) < len(everything)
    assert ask.json({"claim": claim, "min_relevance": 1})["matches"] == []


@pytest.mark.parametrize("value", [-0.1, 1.5, "0.5", True, None, [0.5]])
def test_a_least_relevance_must_be_a_share(ask, value):
    with pytest.raises(BadInput, match="min_relevance must be a number from 0 to 1"):
        ask.json({"claim": "Strom", "min_relevance": value})


def test_the_artifact_may_set_the_least_relevance(tmp_path):
    ask = asker(tmp_path, min_relevance=1)
    assert found(ask("Mobilfunk ist Strahlung")) == []
    assert ask.json({"claim": "Mobilfunk ist Strahlung", "min_relevance": 0})["matches"]


def test_shares_explain_a_match_and_add_up(ask):
    title = ROWS[0][0]
    explained = best(ask, title, explain=True)["explain"]
    assert set(explained) == {"words", "others", "vectors", "meaning"}
    shares = [each["share"] for each in explained["words"]]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) + explained["others"] + explained["vectors"] == pytest.approx(1, abs=0.002)
    assert explained["meaning"] == 0


def test_a_word_that_is_there_only_as_part_of_another_has_a_share(tmp_path):
    ask = asker(tmp_path)
    (match, *_) = ask.json({"claim": "Maskenpflicht xyzzy", "explain": True})["matches"]
    assert match["id"] == "fc-1"
    assert [each["word"] for each in match["explain"]["words"]] == ["maskenpflicht"]


def test_explanations_in_a_csv_are_json(ask):
    body = json.dumps({"claim": ROWS[0][0], "explain": True, "top_k": 1})
    header, line = ask(body, "application/json", "text/csv").body.splitlines()[:2]
    assert header.endswith(",explain")
    assert '""words"":' in line


def test_a_claim_of_stop_words_finds_nothing(ask):
    for claim in ("Das ist aber nicht so", "und der die das", "... !"):
        assert ask.json({"claim": claim})["matches"] == []


@pytest.mark.parametrize(
    "claim", ["Grüne Kühe", "GRUENE KUEHE", "Grune Kuhe", "gru\u0308ne Ku\u0308he"]
)
def test_umlauts_in_any_spelling_find_the_same(tmp_path, claim):
    rows = [
        ("a", "Grundsteuer", "Die Grundsteuer steigt für Gruppen und Kunden.", ""),
        ("b", "Grüne Kühe", "Es gibt keine Kühe, die grün sind.", ""),
    ]
    ask = asker(tmp_path, rows)
    plain = ask.json({"claim": "Grüne Kühe"})["matches"]
    assert ask.json({"claim": claim})["matches"] == plain
    assert plain[0]["id"] == "b"


def test_ue_that_is_no_umlaut_stays_a_word_of_its_own(tmp_path):
    ask = asker(
        tmp_path, [("a", "", "Die neue Steuer auf Quellen", ""), ("b", "", "Neun Noten", "")]
    )
    assert found(ask("neue Steuer")) == ["a"]
    assert best(ask, "Quelle", show_words=True)["words"] == ["quelle"]


def test_markup_and_invisible_characters_are_no_part_of_a_claim(tmp_path):
    ask = asker(tmp_path)
    wanted = ask.json({"claim": "Mobilfunk ist Strahlung"})
    claim = "<p>Mobil\u00adfunk&nbsp;ist <b>Strah</b>lung\u200b</p>"
    assert ask.json({"claim": claim}) == wanted
    (tmp_path / "kept").mkdir()
    original = asker(tmp_path / "kept", compat="original")
    assert original.json({"claim": claim}) != wanted


def test_a_trial_leaves_its_claim_out_of_its_document():
    documents = [
        Document((), "Alpha beta gamma", "Delta epsilon zeta."),
        Document((), "", "Eins zwei drei. Vier fünf sechs."),
        Document((), "Kurz", "Nur ein einziger Satz steht hier"),
    ]
    trials = choose_trials(documents, Analyser("de", {"der"}))
    assert [(trial.row, trial.claim, trial.title, trial.text) for trial in trials.values()] == [
        (0, "Alpha beta gamma", "", "Delta epsilon zeta."),
        (1, "Eins zwei drei.", "", "Vier fünf sechs."),
    ]


def test_coefficients_are_typical_without_trials_and_learnt_with_many():
    few = Seen(np.array([[0.9], [0.1]]), np.array([True, False]))
    assert learn(few, TYPICAL.by_terms) == TYPICAL.by_terms
    features = np.concatenate([np.linspace(0.5, 1, 200), np.linspace(0, 0.5, 200)])[:, None]
    seen = Seen(features, np.arange(400) < 200)
    constant, slope = learn(seen, TYPICAL.by_terms)
    assert slope > TYPICAL.by_terms[1]
    assert -constant / slope == pytest.approx(0.5, abs=0.05)


def test_the_report_has_precision_and_recall_by_threshold_and_a_calibration():
    features = np.concatenate([np.linspace(0.3, 1, 100), np.linspace(0, 0.6, 300)])[:, None]
    told: dict = report(Seen(features, np.arange(400) < 100), TYPICAL.by_terms)
    assert (told["positives"], told["negatives"]) == (100, 300)
    assert 0.8 < told["auroc"] < 1
    recall, precision = told["recall"], told["precision"]
    assert recall == sorted(recall, reverse=True)
    assert precision[-1] > precision[0]
    assert sum(count for *_, count in told["calibration"]) == 400


def test_training_tells_how_well_matches_are_told_from_others(tmp_path):
    material = Material(PROJECT / "models" / "corpus" / "factchecks_de.csv", {"language": "de"})
    told: Any = family("Search").train(material, tmp_path, no_progress).facts["relevance"]
    assert told["evidence"] == "by_terms"
    assert 0 < told["positives"] <= told["trials"] == 360
    assert 0.5 < told["auroc"] <= 1
    kept = Relevance.of_json(read(tmp_path / "Search-model").facts["relevance"])
    assert kept.by_terms != TYPICAL.by_terms
    assert kept.by_meaning == TYPICAL.by_meaning


@pytest.mark.hostile("parameters")
@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {"by_terms": [1.0, 2.0]},
        {"by_terms": [1.0, 2.0, 3.0], "by_meaning": [1.0] * 4},
        {"by_terms": ["1", 2.0], "by_meaning": [1.0] * 4},
        {"by_terms": [float("nan"), 2.0], "by_meaning": [1.0] * 4},
        {"by_terms": [1e300, 2.0], "by_meaning": [1.0] * 4},
    ],
)
def test_coefficients_that_are_none_are_refused(tmp_path, artifact, value):
    content = read(artifact / "Search-model")
    (tmp_path / "Search-params.json").write_bytes((artifact / "Search-params.json").read_bytes())
    facts = {**content.facts, "relevance": value}
    write(tmp_path / "Search-model", Mapped(content.arrays, facts))
    with pytest.raises(ArtifactError, match="relevance"):
        load_model(tmp_path)


def test_an_index_of_the_first_form_still_answers(tmp_path, artifact):
    content = read(artifact / "Search-model")
    (tmp_path / "Search-params.json").write_bytes((artifact / "Search-params.json").read_bytes())
    facts = {key: value for key, value in content.facts.items() if key != "relevance"}
    write(tmp_path / "Search-model", Mapped(content.arrays, {**facts, "form": "Search.v1"}))
    ask = Asker(load_model(tmp_path), "text/plain")
    title = next(title for title, _ in ROWS if title.isascii())
    assert ask.json({"claim": title})["matches"][0]["title"] == title


def test_columns_may_not_be_called_as_answers_call_something_else(tmp_path):
    from models.errors import CorpusError  # noqa: PLC0415

    with pytest.raises(CorpusError, match="relevance"):
        train(tmp_path, CORPUS, header=("id", "title", "claim_text", "relevance"))


def test_a_claim_in_another_language_is_told(ask):
    english = "The government is going to take away all of our diesel cars very soon"
    one, two = ask.json({"claims": [english, ROWS[0][0]]})["results"]
    assert one["language"] == "en"
    assert one["warning"] == "This text looks English; this model is for German"
    assert set(two) == {"matches"}


def test_shares_add_up_where_many_words_have_a_little_each(ask):
    claim = " ".join([ROWS[0][0], *(f"wort{number}" for number in range(400))])
    explained = best(ask, claim, explain=True)["explain"]
    shares = sum(each["share"] for each in explained["words"])
    assert shares + explained["others"] + explained["vectors"] == pytest.approx(1, abs=0.02)


@pytest.mark.hostile("requests to models")
def test_of_a_claim_of_very_many_words_only_some_are_looked_up(ask, monkeypatch):
    claim = " ".join(f"{number:x}" for number in range(100_000))
    counted = []
    scorer = ask.model._ranker.scorer
    look_up = scorer.analyser.terms

    def noted(word, kind):
        counted.append(word)
        return look_up(word, kind)

    monkeypatch.setattr(scorer.analyser, "terms", noted)
    ask.json({"claim": claim})
    assert len(set(counted)) == 10_000


def test_training_time_does_not_grow_with_the_square_of_a_documents_sentences():
    text = "Ab. Cd. " * 100_000 + " Maske Strom Hund. Katze Berlin Virus"
    began_s = time.process_time()
    assert choose_trials([Document((), "", text)], Analyser("de", frozenset())) == {}
    assert time.process_time() - began_s < 5


@pytest.mark.hostile("archives")
@pytest.mark.parametrize("unit", [5e-324, 1e-300, 0.0, -1.0, 2.0])
def test_an_impact_unit_that_no_training_makes_is_refused(tmp_path, artifact, unit):
    content = read(artifact / "Search-model")
    (tmp_path / "Search-params.json").write_bytes((artifact / "Search-params.json").read_bytes())
    write(tmp_path / "Search-model", Mapped(content.arrays, {**content.facts, "impact_unit": unit}))
    with pytest.raises(ArtifactError, match="impact_unit"):
        load_model(tmp_path)


@pytest.mark.hostile("archives")
def test_weights_of_nothing_but_zeros_are_answered(tmp_path, artifact):
    content = read(artifact / "Search-model")
    (tmp_path / "Search-params.json").write_bytes((artifact / "Search-params.json").read_bytes())
    arrays = {**content.arrays, "weights": content.arrays["weights"] * np.float32(0)}
    write(tmp_path / "Search-model", Mapped(arrays, content.facts))
    found = Asker(load_model(tmp_path), "text/plain").json({"claim": ROWS[0][0], "explain": True})
    assert found["matches"] == []
