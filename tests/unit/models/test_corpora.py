"""The corpora that are shipped, the claims to measure them with, and the artifacts made of them."""

from __future__ import annotations

import csv
import json
import tarfile
from collections import Counter

import pytest

from models.registry import load_model
from models.serving import Request
from tests.support.endpoint import PROJECT

CORPORA = PROJECT / "models" / "corpus"
LANGUAGES = ["de", "en"]
# Evaluation set -> corpus, least claims with a document, least without.
SETS = {
    "factchecks_de_evaluation.csv": ("factchecks_de.csv", 120, 60),
    "factchecks_en_evaluation.csv": ("factchecks_en.csv", 120, 60),
    "factchecks_de_evaluation_english.csv": ("factchecks_de.csv", 40, 10),
}
ARTIFACTS = [
    f"{folder}{family}.tar.gz"
    for folder in ("", "en/")
    for family in ("TopicalPageRank", "DocSim", "Search")
]


def rows_of(name):
    with (CORPORA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_corpus_has_whole_rows_of_twelve_categories_and_nothing_twice(language):
    rows = rows_of(f"factchecks_{language}.csv")
    assert len(rows) >= 150
    assert all(list(row) == ["id", "title", "claim_text", "category"] for row in rows)
    assert all(text == text.strip() != "" for row in rows for text in row.values())
    for column in ("id", "title", "claim_text"):
        assert len({row[column] for row in rows}) == len(rows)
    by_category = Counter(row["category"] for row in rows)
    assert len(by_category) == 12
    assert min(by_category.values()) >= 10


@pytest.mark.parametrize("name", SETS)
def test_an_evaluation_set_names_documents_of_its_corpus_or_none(name):
    corpus, least_with, least_without = SETS[name]
    documents = {row["id"] for row in rows_of(corpus)}
    rows = rows_of(name)
    assert all(list(row) == ["text", "doc_id"] for row in rows)
    assert len({(row["text"], row["doc_id"]) for row in rows}) == len(rows)
    answered = {row["text"] for row in rows if row["doc_id"]}
    without = {row["text"] for row in rows if not row["doc_id"]}
    assert not answered & without
    assert {row["doc_id"] for row in rows} - {""} <= documents
    assert len(answered) >= least_with
    assert len(without) >= least_without


@pytest.mark.parametrize("name", SETS)
def test_a_claim_says_in_its_own_words_what_the_fact_check_is_about(name):
    corpus = rows_of(SETS[name][0])
    copied = {text for row in corpus for text in (row["title"], row["claim_text"])}
    assert not copied & {row["text"] for row in rows_of(name)}


@pytest.mark.parametrize("name", ARTIFACTS)
def test_a_shipped_artifact_is_trained_on_the_corpus_of_its_language(tmp_path, name):
    with tarfile.open(PROJECT / "artifacts" / name) as archive:
        archive.extractall(tmp_path, filter="data")
    family = name.removeprefix("en/").removesuffix(".tar.gz")
    params = json.loads((tmp_path / f"{family}-params.json").read_text("utf-8"))
    language = "en" if name.startswith("en/") else "de"
    assert params["language"] == language
    assert params["train_df"] == f"factchecks_{language}.csv"


@pytest.mark.parametrize(
    ("name", "claim", "found"),
    [
        ("Search.tar.gz", "Masken bestehen aus Würmern", "fc-004"),
        ("en/Search.tar.gz", "Spinach has more iron than any other vegetable", "en-119"),
    ],
)
def test_a_claim_finds_its_fact_check_in_the_sample_of_its_language(tmp_path, name, claim, found):
    with tarfile.open(PROJECT / "artifacts" / name) as archive:
        archive.extractall(tmp_path / "model", filter="data")
    model = load_model(tmp_path / "model", tmp_path / "scratch")
    answer = json.loads(model.predict(Request("text/plain", None, claim.encode())).body)
    assert answer["matches"][0]["id"] == found
