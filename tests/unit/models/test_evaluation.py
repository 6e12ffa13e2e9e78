"""Evaluation sets and the measures on them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, ndcg_score, roc_auc_score

from models.errors import CorpusError
from models.evaluation import measures
from models.evaluation.sets import read_keyphrases, read_pairs, read_retrieval, read_sets
from models.language.stemming import stemmer

DOCS = "doc_id,title,claim_text,category\nd1,T,Eins,x\nd2,T,Zwei,x\nd3,T,Drei,\n"
QUERIES = "query_id,text\nq1,eins?\nq2,zwei?\n"
QRELS = "query_id,doc_id,relevance\nq1,d1,1\nq1,d3,2\nq2,d2,1\nq2,d1,0\n"
PAIRS = "query_id,doc_id,label\nq1,d1,1\nq2,d1,0\n"
PHRASES = {"id": "k", "title": "T", "text": "Ein Text", "keyphrases": ["Text"], "present": []}


@pytest.fixture
def folder(tmp_path):
    for name, content in (
        ("a_docs.csv", DOCS),
        ("a_queries.csv", QUERIES),
        ("a_qrels.csv", QRELS),
        ("a_pairs.csv", PAIRS),
        ("keyphrases_a.jsonl", json.dumps(PHRASES) + "\n\n"),
    ):
        (tmp_path / name).write_text(content, encoding="utf-8")
    return tmp_path


def test_all_sets_of_a_folder_are_read(folder):
    found = read_sets(folder)
    (retrieval,), (pairs,), (phrases,) = found.retrieval, found.pairs, found.keyphrases
    assert (retrieval.name, pairs.name, phrases.name) == ("a", "a", "a")
    assert retrieval.relevance == {"q1": {"d1": 1.0, "d3": 2.0}, "q2": {"d2": 1.0}}
    assert retrieval.documents["d1"].category == "x"
    assert pairs.pairs == (("eins?", "Eins"), ("zwei?", "Eins"))
    assert pairs.labels == (True, False)
    assert phrases.texts[0].keyphrases == ("Text",)


def test_documents_need_no_title(folder):
    (folder / "a_docs.csv").write_text("doc_id,claim_text\nd1,Eins\nd2,Zwei\nd3,Drei\n")
    assert read_retrieval(folder, "a").documents["d1"].title == ""


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("a_docs.csv", "doc_id,text\nd1,x\n", "a_docs.csv: has no column 'claim_text'"),
        ("a_docs.csv", DOCS + "d1,T,Noch,\n", "row 4 has a second 'd1'"),
        ("a_docs.csv", DOCS + ",T,Noch,\n", "row 4 has no id"),
        ("a_queries.csv", QUERIES + "q3, \n", "row 3 has a blank text"),
        ("a_qrels.csv", QRELS.replace("q2,d2,1\n", ""), "no relevant document for 1 queries"),
        ("a_queries.csv", "query_id,text\n", "has no queries"),
        ("a_qrels.csv", QRELS + "q1,d9,1\n", "row 5 names the document 'd9'"),
        ("a_qrels.csv", QRELS + "q9,d1,1\n", "row 5 names the query 'q9'"),
        ("a_qrels.csv", QRELS + "q1,d1,yes\n", "row 5: relevance is 'yes'"),
        ("a_qrels.csv", QRELS + "q1,d1,nan\n", "row 5: relevance is 'nan'"),
        ("a_pairs.csv", "query_id,doc_id,label\nq1,d1,1\n", "pairs that do not"),
        ("keyphrases_a.jsonl", "{", "line 1 is not JSON"),
        ("keyphrases_a.jsonl", "[]", "line 1 is no JSON object"),
        ("keyphrases_a.jsonl", "", "has no text"),
        ("keyphrases_a.jsonl", '{"text": "a"}', "line 1 has no keyphrases"),
        ("keyphrases_a.jsonl", '{"text": " ", "keyphrases": ["a"]}', "line 1 has a blank text"),
        ("keyphrases_a.jsonl", '{"text": "a", "keyphrases": "a"}', "not a list of strings"),
    ],
)
def test_a_faulty_set_is_an_error_that_names_file_and_row(folder, file, content, said):
    (folder / file).write_text(content, encoding="utf-8")
    with pytest.raises(CorpusError, match=said) as caught:
        read_sets(folder)
    assert file in str(caught.value)


def test_a_set_without_its_other_files_is_an_error_that_names_them(folder):
    (folder / "a_docs.csv").unlink()
    with pytest.raises(CorpusError, match=r"a_docs\.csv: cannot be read"):
        read_pairs(folder, "a")
    with pytest.raises(CorpusError, match=r"keyphrases_b\.jsonl: cannot be read"):
        read_keyphrases(folder / "keyphrases_b.jsonl")


def test_a_folder_without_a_set_is_an_error(tmp_path):
    with pytest.raises(CorpusError, match="holds no evaluation set"):
        read_sets(tmp_path)
    with pytest.raises(CorpusError, match="cannot be read as a folder"):
        read_sets(tmp_path / "none")


def test_measures_of_rankings_worked_out_by_hand():
    ranking = ["a", "b", "c", "d"]
    assert measures.reciprocal_rank(ranking, {"c", "d"}) == 1 / 3
    assert measures.reciprocal_rank(ranking, {"c"}, depth=2) == 0
    assert measures.recall(ranking, {"a", "d", "z"}, 2) == 1 / 3
    assert measures.recall(ranking, (), 2) == 0
    assert measures.ndcg(["a", "b"], {"b": 1.0}) == pytest.approx(1 / np.log2(3))
    found = measures.retrieval_measures({"q": ranking}, {"q": {"b": 1.0}, "unanswered": {"a": 1.0}})
    assert found["mrr@10"] == 0.25
    assert found["recall@1"] == 0
    assert found["recall@5"] == 0.5


def test_gain_is_that_of_scikit_learn():
    draw = np.random.default_rng(1)
    for _ in range(20):
        grades = draw.integers(0, 4, 30).astype(float)
        grades[0] = 1
        scores = draw.permutation(30).astype(float)
        ranking = [str(index) for index in np.argsort(-scores)]
        relevance = {str(index): grade for index, grade in enumerate(grades)}
        expected = ndcg_score([grades], [scores], k=10)
        assert measures.ndcg(ranking, relevance) == pytest.approx(expected)


def test_measures_of_pairs_are_those_of_scikit_learn_with_equal_scores_too():
    draw = np.random.default_rng(2)
    for _ in range(20):
        labels = draw.random(50) < 0.4
        scores = draw.integers(0, 12, 50) / 12
        found = measures.pair_measures(scores.tolist(), labels.tolist())
        assert found["average_precision"] == pytest.approx(average_precision_score(labels, scores))
        assert found["roc_auc"] == pytest.approx(roc_auc_score(labels, scores))


def test_keyphrases_match_by_stems_and_count_once():
    stem = stemmer("de")
    found = ["neue Steuern", "neuen Steuer", "Strom", "Wind"]
    assert measures.keyphrase_f(found, ["Neue Steuer", "Kohle"], 5, stem) == pytest.approx(0.4)
    assert measures.keyphrase_f(found, ["Wind"], 1, stem) == 0
    assert measures.keyphrase_f([], ["Wind"], 5, stem) == 0
