"""The example of an own family does what a family must: docs/own-family.md, docs/examples."""

from __future__ import annotations

import csv
import json
import sys
from typing import Any

import numpy as np
import pytest

import models
from models.errors import ArtifactError, BadInput, CorpusError
from models.evaluation.asking import evaluate
from models.evaluation.sets import Document, EvaluationSets, RetrievalSet
from models.mapped.folder import Mapped, write
from models.registry import FAMILIES, family, load_model
from models.serving import Material, Needs, Request, no_progress
from tests.support.endpoint import PROJECT

EXAMPLES = PROJECT / "docs" / "examples"
CORPORA = PROJECT / "models" / "corpus"
PARAMS = json.loads((EXAMPLES / "Category" / "Category-params.json").read_text("utf-8"))
BUCKETS = 4096
GOOD: dict[str, Any] = {
    "rarity": np.ones(BUCKETS, np.float32),
    "directions": np.eye(2, BUCKETS, dtype=np.float32),
}
FACTS = {"form": "Category.v1", "categories": ["a", "b"]}


@pytest.fixture(scope="module", autouse=True)
def _installed():
    """The family, as if its folder lay in `models/` and its line stood in the registry."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "__path__", [*models.__path__, str(EXAMPLES)])
        patch.setitem(FAMILIES, "Category", "models.Category.family")
        yield
    for name in [name for name in sys.modules if name.startswith("models.Category")]:
        del sys.modules[name]
    del models.Category  # type: ignore[attr-defined] # importing it set this


def train(folder, corpus=CORPORA / "factchecks_en.csv"):
    folder.mkdir()
    return family("Category").train(Material(corpus, PARAMS), folder, no_progress)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("own") / "Category"
    train(made)
    return made


@pytest.fixture(scope="module")
def model(folder, tmp_path_factory):
    return load_model(folder, tmp_path_factory.mktemp("scratch"))


def ask(model, body, content_type="application/json", accept=None):
    raw = body if isinstance(body, str) else json.dumps(body)
    return model.predict(Request(content_type, accept, raw.encode())).body


def test_training_reports_its_rows_and_gives_the_same_bytes_again(folder, tmp_path):
    lessons = train(tmp_path / "again")
    assert lessons.facts["rows"] == 173
    assert sorted(path.name for path in folder.iterdir()) == [
        "Category-model", "Category-params.json",
    ]  # fmt: skip
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


def test_a_text_gets_its_category_first(model):
    answer = json.loads(ask(model, {"text": "Is there a chip in the vaccine?", "max_count": 2}))
    assert answer["categories"][0]["category"] == "vaccination"
    assert len(answer["categories"]) == 2
    assert ask(model, "Is there a chip in the vaccine?", "text/plain", "text/csv").startswith(
        "vaccination,0."
    )


def test_a_text_without_a_known_word_has_no_category(model):
    assert ask(model, {"text": "xyzzy"}) == '{"categories": []}'


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("[]", 'key "text"'), ({"txt": "a"}, 'key "text"'), ({"text": 5}, "must be a string"),
        ({"text": " "}, "is blank"), ({"text": "a", "max_count": 0}, "max_count"),
        ({"text": "a" * 1_000_001}, "1000001 characters"), ({"text": "a", "k": 1}, "Unknown key"),
    ],
)  # fmt: skip
def test_a_bad_request_is_told_what_is_wrong(model, body, told):
    with pytest.raises(BadInput, match=told):
        ask(model, body)


def test_it_shares_workers_and_describes_itself(model):
    assert model.needs() == Needs()
    assert model.describe()["family"] == "Category"
    assert len(model.describe()["categories"]) == 12


def test_a_rehearsal_leaves_a_model_that_answers(tmp_path):
    for name in ("model", "scratch"):
        (tmp_path / name).mkdir()
    request = family("Category").rehearse(tmp_path / "model", tmp_path / "scratch")
    answer = load_model(tmp_path / "model", tmp_path / "scratch").predict(request)
    assert "categories" in json.loads(answer.body)


def test_it_is_evaluated_on_claims_in_other_words(folder, tmp_path):
    with (CORPORA / "factchecks_en.csv").open(encoding="utf-8") as file:
        documents = {
            row["id"]: Document(row["title"], row["claim_text"], row["category"])
            for row in csv.DictReader(file)
        }
    with (CORPORA / "factchecks_en_evaluation.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["doc_id"]]
    claims = RetrievalSet(
        "claims",
        documents,
        {row["text"]: row["text"] for row in rows},
        {row["text"]: {row["doc_id"]: 1.0} for row in rows},
    )
    sets = EvaluationSets((claims,), (), ())
    measured = evaluate("Category", folder, tmp_path, sets, no_progress)
    assert measured["claims"].measures["accuracy"] > 0.5  # by chance it would be a twelfth


def broken(**changes) -> dict[str, Any]:
    return {**GOOD, **changes}


BROKEN: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "another form": (GOOD, {**FACTS, "form": "x"}),
    "a category twice": (GOOD, {**FACTS, "categories": ["a", "a"]}),
    "more categories than directions": (GOOD, {**FACTS, "categories": ["a", "b", "c"]}),
    "no directions": ({"rarity": GOOD["rarity"]}, FACTS),
    "whole numbers": (broken(rarity=np.ones(BUCKETS, np.int32)), FACTS),
    "not a number": (broken(rarity=np.full(BUCKETS, np.nan, np.float32)), FACTS),
    "huge numbers": (broken(directions=np.full((2, BUCKETS), 1e30, np.float32)), FACTS),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_artifact_is_refused_by_the_name_of_its_file(tmp_path, name):
    write(tmp_path / "Category-model", Mapped(*BROKEN[name]))
    (tmp_path / "Category-params.json").write_text('{"language": "en"}')
    with pytest.raises(ArtifactError, match="Category-model: "):
        load_model(tmp_path, tmp_path / "scratch")


@pytest.mark.parametrize("content", [b"", b"MMEMAP02", b"MMEMAP02" + b"\xff" * 64, b"x" * 5000])
def test_a_damaged_artifact_is_refused_by_the_name_of_its_file(tmp_path, content):
    (tmp_path / "Category-model").write_bytes(content)
    (tmp_path / "Category-params.json").write_text('{"language": "en"}')
    with pytest.raises(ArtifactError, match="Category-model: "):
        load_model(tmp_path, tmp_path / "scratch")


def test_a_corpus_of_one_category_cannot_be_learnt_from(tmp_path):
    corpus = tmp_path / "corpus.csv"
    corpus.write_text("claim_text,category\nMasks help,health\nVaccines help,health\n")
    with pytest.raises(CorpusError, match="1 categories"):
        train(tmp_path / "model", corpus)
