"""Evaluation sets that are one file, and what the families answer to them, question by question."""

from __future__ import annotations

import json

import pytest

from models.errors import CorpusError
from models.evaluation import measures
from models.evaluation.asking import examine
from models.evaluation.retrieval import retrieved
from models.evaluation.sets import RetrievalSet
from models.evaluation.single import read_any
from models.registry import load_model
from models.serving import Needs, Response, no_progress

DOCUMENTS = (
    "text;doc_id;relevance\nSchadet eine Maske?;1;\nSchadet eine Maske?;4;2\nKäse;;\nCO2;4;1\n"
)
PAIRS = "Text1\tText2\tLabel\nMasken schaden\tEine Maske\t1\nMasken\tStrom\tnein\n"
PHRASES = "text,keyphrases\nEine neue Steuer auf Strom, Steuer | Strom \n"


def written(path, content):
    path.write_text(content, encoding="utf-8")
    return path


def test_texts_with_their_documents_are_read_from_one_file(tmp_path):
    (found,) = read_any(written(tmp_path / "fragen.csv", DOCUMENTS)).retrieval
    assert (found.name, found.documents) == ("fragen", {})
    assert found.queries == {"1": "Schadet eine Maske?", "2": "Käse", "3": "CO2"}
    assert found.relevance == {"1": {"1": 1.0, "4": 2.0}, "2": {}, "3": {"4": 1.0}}


def test_pairs_and_keyphrases_are_told_by_their_columns(tmp_path):
    (pairs,) = read_any(written(tmp_path / "p.csv", PAIRS)).pairs
    assert pairs.pairs[1] == ("Masken", "Strom")
    assert pairs.labels == (True, False)
    (phrases,) = read_any(written(tmp_path / "k.csv", PHRASES)).keyphrases
    assert phrases.texts[0].keyphrases == ("Steuer", "Strom")


def test_lines_of_json_have_the_same_keys(tmp_path):
    lines = [{"text": "a", "doc_id": 7}, {"text": "b", "doc_id": None}]
    path = written(tmp_path / "x.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    (found,) = read_any(path).retrieval
    assert found.relevance == {"1": {"7": 1.0}, "2": {}}
    path = written(tmp_path / "p.jsonl", '{"text1": "a", "text2": "b", "label": true}\n'
                   '{"text1": "a", "text2": "c", "label": 0}\n')  # fmt: skip
    assert read_any(path).pairs[0].labels == (True, False)
    path = written(tmp_path / "k.jsonl", '{"text": "a", "keyphrases": ["b;c"]}\n')
    assert read_any(path).keyphrases[0].texts[0].keyphrases == ("b;c",)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.csv", "frage,id\na,b\n", "x.csv: is no evaluation set.*; its columns: frage, id"),
        ("x.csv", "", "its columns: none"),
        ("x.csv", "text,doc_id\n ,b\n", "row 1 has a blank text"),
        ("x.csv", "text,doc_id\na,\n", "names no document for any"),
        ("x.csv", "text,doc_id,relevance\na,b,viel\n", "row 1: relevance is 'viel'"),
        ("x.csv", "text1,text2,label\na,b,1\n", "pairs that do not"),
        ("x.csv", "text,keyphrases\na,;\n", "row 1 has no keyphrases"),
        ("x.csv", "text,keyphrases\n", "has no text"),
        ("x.jsonl", "{}\n", "its keys: none"),
        ("x.jsonl", '{"text": "a", "doc_id": ["b"]}', r"line 1: \['b'\] is no text or number"),
        ("none.csv", None, "cannot be read"),
    ],
)
def test_a_file_that_is_no_set_says_why(tmp_path, name, content, said):
    path = tmp_path / name
    if content is not None:
        written(path, content)
    with pytest.raises(CorpusError, match=said):
        read_any(path)


def test_a_folder_of_sets_is_read_as_ever(tmp_path):
    written(tmp_path / "keyphrases_a.jsonl", '{"text": "a", "keyphrases": ["b"]}\n')
    assert read_any(tmp_path).keyphrases[0].name == "a"


def test_a_folder_may_hold_sets_of_one_file_each(tmp_path):
    written(tmp_path / "q.csv", DOCUMENTS)
    written(tmp_path / "p.csv", PAIRS)
    written(tmp_path / "README.md", "about")
    found = read_any(tmp_path)
    assert ([each.name for each in found.retrieval], len(found.pairs)) == (["q"], 1)
    written(tmp_path / "x.csv", "a,b\n")
    with pytest.raises(CorpusError, match=r"x\.csv: is no evaluation set"):
        read_any(tmp_path)


def test_search_is_asked_for_the_documents_it_holds(trained, tmp_path, caplog):
    sets = read_any(written(tmp_path / "q.csv", DOCUMENTS + "Strom;99;\n"))
    found = examine("Search", load_model(trained["Search"]), sets, no_progress)["q"]
    assert "1 of its 3 documents are not in the index, 99 for one" in caplog.text
    assert found.measures["recall@10"] == 0.6667
    assert found.measures["mrr@10_low"] <= found.measures["mrr@10"]
    assert "known_roc_auc" in found.measures
    assert [each.text for each in found.misses(1)] == ["Strom"]
    assert found.misses(1)[0].expected == [{"id": "99", "rank": None, "title": ""}]
    json.dumps([each.as_json() for each in found.answered])


def test_docsim_is_asked_for_pairs_and_its_own_documents_if_it_has_any(trained, tmp_path):
    pairs = read_any(written(tmp_path / "p.csv", PAIRS))
    model = load_model(trained["DocSim"])
    found = examine("DocSim", model, pairs, no_progress)["p pairs"]
    assert {"average_precision", "roc_auc"} == found.measures.keys()
    assert found.answered[0].text == "Masken schaden | Eine Maske"
    assert not examine(
        "DocSim", model, read_any(written(tmp_path / "q.csv", DOCUMENTS)), no_progress
    )


def test_keyphrases_are_shown_as_they_were_found(trained, tmp_path):
    sets = read_any(written(tmp_path / "k.csv", PHRASES))
    model = load_model(trained["TopicalPageRank"])
    (found,) = examine("TopicalPageRank", model, sets, no_progress).values()
    assert found.answered[0].quality == found.measures["f@10"]
    assert found.answered[0].found[0]["phrase"]


def test_a_relevance_tells_texts_without_a_document(tmp_path):
    given = RetrievalSet("x", {}, {"a": "A", "b": "B"}, {"a": {"1": 1.0}, "b": {}})
    matches = {
        "a": [
            {"id": "1", "score": 0.3, "relevance": 0.9, "Titel": "Eins"},
            {"id": "1", "score": 0},
        ],
        "b": [{"id": "1", "score": 0.8, "relevance": 0.2, "Titel": "Eins"}],
    }
    found = retrieved(given, matches)
    assert found.measures["known_roc_auc"] == 1
    assert [each.quality for each in found.answered] == [1, 0.8]
    assert found.answered[0].expected == [{"id": "1", "rank": 1, "title": "Eins"}]
    assert len(found.answered[0].found) == 1
    without = {name: [{"id": "1", "score": m[0]["score"]}] for name, m in matches.items()}
    assert retrieved(given, without).measures["known_roc_auc"] == 0


def test_an_interval_holds_the_mean_and_is_the_same_each_time():
    values = [1.0, 0.5, 0.0, 1.0, 0.25] * 8
    low, high = measures.interval(values)
    assert low < sum(values) / len(values) < high
    assert measures.interval(values) == (low, high)
    assert measures.interval([1.0]) == (1, 1)
    assert measures.interval([]) == (0, 0)


def test_a_pair_is_as_good_as_the_pairs_it_is_in_order_with():
    scores, labels = [0.9, 0.1, 0.5, 0.5], [True, True, False, False]
    assert measures.pair_qualities(scores, labels) == [1, 0, 0.5, 0.5]
    assert measures.pair_qualities([1, 1], [True, False]) == [0, 0]


class Elsewhere:
    """A Search model in another process: it can be asked, and no more is known of it."""

    def predict(self, request):
        assert json.loads(request.body)["top_k"] == 100
        return Response("application/json", '{"matches": [{"id": "4", "score": 1}]}')

    def describe(self):
        return {}

    def needs(self):
        return Needs()


def test_a_model_elsewhere_is_asked_in_the_same_way(tmp_path):
    sets = read_any(written(tmp_path / "q.csv", DOCUMENTS))
    found = examine("Search", Elsewhere(), sets, no_progress)["q"]
    assert found.measures["mrr@10"] == 1
