"""What Search makes of a corpus, sound or not, and that it finds more than plain BM25."""

from __future__ import annotations

import csv
import json
import logging

import pytest

from models.errors import ArtifactError, CorpusError
from models.evaluation.asking import evaluate
from models.evaluation.measures import retrieval_measures
from models.evaluation.sets import EvaluationSets, read_retrieval
from models.registry import family, load_model
from models.serving import Material, no_progress
from tests.support.plain_bm25 import PlainBm25
from tests.unit.models.conftest import TREEBANKS as SETS
from tests.unit.models.conftest import Asker


def lessons(folder, text, **params):
    path = folder / "corpus.csv"
    path.write_text(text, encoding="utf-8")
    out = folder / "artifact"
    out.mkdir()
    given = Material(path, {"language": "de", **params})
    facts = family("Search").train(given, out, no_progress).facts
    return facts, Asker(load_model(out), "text/plain")


def matches(ask, claim):
    return json.loads(ask(claim).body)["matches"]


def test_rows_are_kept_skipped_and_named_as_told(tmp_path, caplog):
    text = (
        "id,title,claim_text,url\n"
        "a,Erbgut,bleibt,u1\n"
        ",Masken,helfen,u2\n"
        "b,,,u3\n"
        "a,Erbgut,bleibt,u1\n"
        "a,Kühe,leben,\n"
        "\n"
        "c,Windrad\n"
    )
    with caplog.at_level(logging.WARNING):
        facts, ask = lessons(tmp_path, text)
    assert {key: facts[key] for key in (
        "rows", "documents", "skipped_rows", "repeated_rows", "rows_without_id",
        "rows_sharing_an_id",
    )} == {"rows": 6, "documents": 4, "skipped_rows": 1, "repeated_rows": 1,
           "rows_without_id": 1, "rows_sharing_an_id": 1}  # fmt: skip
    assert caplog.messages == [
        "corpus.csv: 1 rows have neither title nor text",
        "corpus.csv: 1 rows are the same as one before and are left out",
        "corpus.csv: 1 rows have no id and are called after their number",
        "corpus.csv: 1 rows have an id that a row before has too",
    ]
    for claim, identity in (("Erbgut", "a"), ("Masken", "row-2"), ("Kühe", "a"), ("Windrad", "c")):
        assert matches(ask, claim)[0]["id"] == identity
    assert matches(ask, "Kühe")[0]["url"] == ""


def test_a_corpus_needs_no_more_than_texts(tmp_path):
    facts, ask = lessons(tmp_path, "claim_text\nDas Erbgut bleibt\nMasken helfen\n")
    assert facts["mean_words_of_a_document"] == 2.5
    assert facts["columns"] == ["id", "claim_text"]
    assert [match["id"] for match in matches(ask, "Masken")] == ["row-2"]


def test_a_column_without_a_name_is_left_out(tmp_path):
    facts, ask = lessons(tmp_path, ",id,claim_text\n0,fc-1,Erbgut\n")
    assert facts["columns"] == ["id", "claim_text"]
    assert matches(ask, "Erbgut")[0]["id"] == "fc-1"


def test_columns_may_be_called_otherwise(tmp_path):
    _, ask = lessons(
        tmp_path,
        "nr,kopf,behauptung\n7,Erbgut,x\n8,y,Masken\n",
        id_column="nr", title_column="kopf", text_column="behauptung",
    )  # fmt: skip
    assert matches(ask, "Erbgut")[0]["id"] == "7"
    assert list(matches(ask, "Masken")[0]) == ["id", "score", "relevance", "kopf", "behauptung"]


@pytest.mark.parametrize("key", ["id_column", "title_column"])
def test_a_column_that_was_named_must_be_there(tmp_path, key):
    with pytest.raises(CorpusError, match=rf"has no column 'kpf'.*: nr, claim_text\. Set {key} to"):
        lessons(tmp_path, "nr,claim_text\n7,Erbgut\n", **{key: "kpf"})


def test_ids_are_found_under_the_name_that_evaluation_sets_use(tmp_path):
    _, ask = lessons(tmp_path, "doc_id,claim_text\nd7,Erbgut\n")
    assert matches(ask, "Erbgut")[0]["id"] == "d7"


def test_columns_of_any_content_come_back_as_they_were(tmp_path):
    odd = ' "x",\n\r\n\u2028 ½ 😀 \\ '
    path = tmp_path / "odd.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["id", "claim_text", "odd"], ["1", "Erbgut", odd]])
    _, ask = lessons(tmp_path, path.read_bytes().decode("utf-8"))
    assert matches(ask, "Erbgut")[0]["odd"] == odd


def test_titles_can_be_given_more_weight(tmp_path):
    text = "id,title,claim_text\n1,Strom,Erbgut\n2,Erbgut,Strom\n"
    for weight, first in ((0.2, "1"), (5, "2")):
        folder = tmp_path / str(weight)
        folder.mkdir()
        _, ask = lessons(folder, text, title_weight=weight)
        assert matches(ask, "Erbgut")[0]["id"] == first


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("id,title\n1,x\n", "has no column 'claim_text'"),
        ("id,claim_text\n1,\n", r"has no text in column claim_text \(1 rows\)"),
        ("id,claim_text\n", "has no text in column"),
        ("id,claim_text\n1,und oder\n", "has only stop words"),
        ("id,claim_text,score\n1,x,2\n", "column 'score'.* rename it"),
        ("id,claim_text,claim_text\n1,x,2\n", "two columns 'claim_text'"),
        ('id,claim_text\n1,"x\n', "is not CSV"),
    ],
)
def test_a_corpus_that_cannot_be_searched_is_an_error_with_the_reason(tmp_path, text, reason):
    with pytest.raises(CorpusError, match=reason):
        lessons(tmp_path, text)


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"k1": 0}, "k1 is 0: it must be a number from 0.01 to 10"),
        ({"b": "1.5"}, "b is '1.5': it must be a number from 0 to 1"),
        ({"piece_weight": -1}, "piece_weight is -1"),
        ({"vector_weight": "viel"}, "vector_weight is 'viel'"),
        ({"vector_size": 1001}, "vector_size is 1001"),
        ({"top_k": 0}, "top_k is 0"),
        ({"title_weight": True}, "title_weight is True"),
    ],
)
def test_faulty_parameters_are_refused_by_name(tmp_path, params, reason):
    with pytest.raises(ArtifactError, match=f"Search-params.json: {reason}"):
        lessons(tmp_path, "id,claim_text\n1,Erbgut\n", **params)


def test_fields_must_be_columns(tmp_path):
    with pytest.raises(CorpusError, match="has no column 'link', as in fields"):
        lessons(tmp_path, "id,claim_text\n1,Erbgut\n", fields=["link"])


def test_without_vectors_documents_are_found_by_terms_alone(tmp_path):
    facts, ask = lessons(tmp_path, "id,claim_text\n1,Erbgut\n2,Masken\n", vector_size=0)
    assert facts["dimensions"] == 0
    assert matches(ask, "Masken")[0]["id"] == "2"


@pytest.mark.parametrize("name", ["news", "law", "xquad_de"])
def test_it_finds_more_than_plain_bm25(tmp_path, name):
    if not SETS.is_dir():
        pytest.skip(f"no evaluation sets at {SETS}")
    given = read_retrieval(SETS, name)
    documents = {key: f"{each.title} {each.text}" for key, each in given.documents.items()}
    plain = PlainBm25(documents)
    rankings = {query: plain.best(text, 10) for query, text in given.queries.items()}
    out = tmp_path / "artifact"
    out.mkdir()
    material = Material(SETS / f"{name}_docs.csv", {"language": "de"})
    family("Search").train(material, out, no_progress)
    sets = EvaluationSets((given,), (), ())
    measured = evaluate("Search", out, tmp_path / "scratch", sets, no_progress)
    of_plain = retrieval_measures(rankings, given.relevance)
    assert measured[name].measures["mrr@10"] > of_plain["mrr@10"] + 0.02
    assert (
        evaluate("Search", out, tmp_path / "scratch", EvaluationSets((), (), ()), no_progress) == {}
    )
