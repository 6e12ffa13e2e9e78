"""DocSim: documents prepared in the artifact, made by training, checked, and asked for."""

from __future__ import annotations

import json
import shutil
from typing import Any

import numpy as np
import pytest
from gensim.models import KeyedVectors

from models.DocSim.documents import best_rows
from models.DocSim.prepare import prepare_documents
from models.errors import ArtifactError, BadInput, CorpusError
from models.registry import family, load_model
from models.serving import Material, Request, no_progress

DOCUMENTS = """id,claim_text,url
a,Netz,https://x/a
b,Netz Masken,https://x/b
c,,https://x/c
d,"unbekannt, alles",https://x/d
e,5G,https://x/e
f,Netz,
"""


@pytest.fixture
def folder(tmp_path):
    """An artifact of three words, with five documents."""
    folder = tmp_path / "model"
    folder.mkdir()
    words = KeyedVectors(2)
    words.add_vectors(["5g", "netz", "masken"], np.array([[1, 0], [0, 1], [1, 1]], np.float32))
    words.save(str(folder / "DocSim-model"))
    (folder / "DocSim-params.json").write_text('{"language": "de"}')
    table = tmp_path / "documents.csv"
    table.write_text(DOCUMENTS)
    assert prepare_documents(folder, table) == 5
    return folder


@pytest.fixture(params=["mapped", "in memory"])
def scratch(request, tmp_path):
    return tmp_path / "scratch" if request.param == "mapped" else None


def ask(model, accept=None, **value) -> Any:
    request = Request("application/json", accept, json.dumps(value).encode())
    body = model.predict(request).body
    return body if accept else json.loads(body)["matches"]


def test_a_query_finds_the_likest_documents_with_their_own_fields(folder, scratch):
    for _ in range(2):  # the second load maps what the first one checked
        model = load_model(folder, scratch)
        matches = ask(model, query="Das Netz", top_k=3)
        assert [(match["index"], match["id"]) for match in matches] == [
            (0, "a"),
            (4, "f"),
            (1, "b"),
        ]
        assert [match["score"] for match in matches] == [1.0, 1.0, 0.8944272]
        assert matches[2]["document"] == {
            "id": "b", "claim_text": "Netz Masken", "url": "https://x/b"
        }  # fmt: skip
        assert model.describe()["documents"] == 5


def test_prepared_documents_match_as_the_same_documents_in_a_request_do(trained, tmp_path):
    folder = shutil.copytree(trained["DocSim"], tmp_path / "model")
    texts = [
        "Masken schaden",
        "Impfstoff und Erbgut",
        "xyzzy",
        "Der Mobilfunk 5G",
        "Gas CO2, Klima",
    ]
    table = tmp_path / "documents.jsonl"
    table.write_text("".join(json.dumps({"claim_text": text}) + "\n" for text in texts))
    prepare_documents(folder, table)
    model = load_model(folder, tmp_path / "scratch")
    query = "Der Impfstoff schadet dem Klima, 5G und Masken nicht"
    prepared = ask(model, query=query)
    sent = ask(model, query=query, documents=texts)
    assert [match["index"] for match in prepared] == [match["index"] for match in sent]
    assert [match["document"]["claim_text"] for match in prepared] == [
        match["document"] for match in sent
    ]
    assert [match["score"] for match in prepared] == pytest.approx(
        [match["score"] for match in sent], abs=1e-6
    )


def test_ten_matches_are_answered_unless_asked_otherwise(folder, tmp_path):
    table = tmp_path / "many.jsonl"
    table.write_text('{"claim_text": "Netz"}\n' * 25)
    prepare_documents(folder, table)
    model = load_model(folder)
    assert [match["index"] for match in ask(model, query="Netz")] == list(range(10))
    assert len(ask(model, query="Netz", top_k=1_000)) == 25
    assert "id" not in ask(model, query="Netz")[0]


def test_a_query_without_a_known_word_finds_nothing(folder, scratch):
    model = load_model(folder, scratch)
    assert ask(model, query="unbekannt") == []
    assert ask(model, query="") == []
    scores = [match["score"] for match in ask(model, query="unbekannt", documents=["Netz", "5g"])]
    assert scores == [0, 0]


def test_documents_in_the_request_come_before_those_of_the_artifact(folder):
    matches = ask(load_model(folder), query="Netz", documents=["Masken"])
    assert [match["document"] for match in matches] == ["Masken"]


def test_matches_in_csv_are_number_score_and_id(folder):
    answer = ask(load_model(folder), accept="text/csv", query="Netz", top_k=2)
    assert answer == "0,1.0,a\n4,1.0,f\n"


def test_documents_may_do_without_fields(folder):
    (folder / "DocSim-documents.jsonl").unlink()
    matches = ask(load_model(folder), query="Netz", top_k=1)
    assert matches == [{"index": 0, "score": 1.0}]


@pytest.mark.parametrize("top_k", [0, -1, 1.5, "3", None, True, 10**9])
def test_an_unusable_top_k_is_bad_input(folder, top_k):
    with pytest.raises(BadInput, match="top_k must be a whole number"):
        ask(load_model(folder), query="Netz", top_k=top_k)


def test_without_any_documents_the_error_says_so(trained):
    with pytest.raises(BadInput, match='"documents", a list of texts; this artifact has none'):
        ask(load_model(trained["DocSim"]), query="Netz", top_k=3)


@pytest.mark.parametrize("value", [{"top_k": 3}, {"documents": ["x"]}, {"query": 3}])
def test_a_query_that_is_missing_or_no_text_is_bad_input(folder, value):
    with pytest.raises(BadInput, match="query"):
        ask(load_model(folder), **value)


def test_only_the_asked_for_fields_are_kept(folder, tmp_path):
    prepare_documents(folder, tmp_path / "documents.csv", {"id", "url"})
    match = ask(load_model(folder), query="Netz", top_k=1)[0]
    assert match["document"] == {"id": "a", "url": "https://x/a"}


def test_the_best_rows_are_those_of_a_full_sort():
    generator = np.random.default_rng(5)
    for count in (1, 2, 17, 500):
        scores = generator.integers(-4, 4, count).astype(np.float32)
        in_order = sorted(range(count), key=lambda row: -scores[row])
        for top_k in (1, 2, count // 2 + 1, count, count + 5):
            assert best_rows(scores, top_k).tolist() == in_order[:top_k]


def vectors_are(content) -> Any:
    def change(folder):
        np.save(folder / "DocSim-documents.npy", content, allow_pickle=True)

    return change


def bytes_are(name, content) -> Any:
    return lambda folder: (folder / f"DocSim-documents.{name}").write_bytes(content)


UNIT = np.array([[1, 0]] * 5, np.float32)
FAULTS = {
    "no vectors": (lambda folder: (folder / "DocSim-documents.npy").unlink(), "npy is missing"),
    "no array": (bytes_are("npy", b"nonsense"), "npy: is no NumPy array"),
    "a pickle": (vectors_are(np.array([[{}]] * 5, object)), "npy: must be a matrix of float32"),
    "cut off": (
        lambda folder: (folder / "DocSim-documents.npy").write_bytes(
            (folder / "DocSim-documents.npy").read_bytes()[:-4]
        ),
        "npy: has 164 bytes, too few for 5 x 2 numbers",
    ),
    "doubles": (vectors_are(UNIT.astype(float)), "npy: must be a matrix of float32"),
    "one vector": (vectors_are(UNIT[0]), "npy: must be a matrix of float32"),
    "Fortran order": (vectors_are(np.asfortranarray(UNIT)), "npy: must be in C order"),
    "too wide": (vectors_are(np.eye(5, dtype=np.float32)), "vectors of 5 numbers; .* have 2"),
    "none": (vectors_are(UNIT[:0]), "npy: has no documents"),
    "not finite": (vectors_are(np.full((5, 2), np.nan, np.float32)), "npy: row 0 has length nan"),
    "too long": (vectors_are(UNIT * np.float32(3)), "npy: row 0 has length 3: must be 1"),
    "a line less": (bytes_are("jsonl", b"{}\n" * 4), "jsonl: has 4 lines for 5 vectors"),
    "a line more": (bytes_are("jsonl", b"{}\n" * 6), "jsonl: has more than 5 lines for 5"),
    "no lines": (bytes_are("jsonl", b""), "jsonl: has 0 lines"),
    "no JSON": (bytes_are("jsonl", b"{}\n{\n" + b"{}\n" * 3), "jsonl: line 2 is not JSON"),
    "no object": (bytes_are("jsonl", b"[]\n" * 5), "jsonl: line 1 must be a JSON object"),
    "no number": (bytes_are("jsonl", b'{"a": NaN}\n' * 5), "jsonl: line 1 is not JSON: .*NaN"),
    "too large": (bytes_are("jsonl", b'{"a": 1e999}\n' * 5), "jsonl: line 1 is not JSON"),
    "no text": (bytes_are("jsonl", b'{"a": "\\ud800"}\n' * 5), "jsonl: line 1 is not JSON"),
    "no UTF-8": (bytes_are("jsonl", b'{"a": "\xff"}\n' * 5), "jsonl: line 1 is not JSON"),
    "nested": (bytes_are("jsonl", b"[" * 100_000 + b"\n"), "jsonl: line 1 is not JSON"),
    "endless": (bytes_are("jsonl", b"[" * 1_100_000), "jsonl: line 1 has over 1048576 bytes"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_broken_documents_are_refused_with_file_and_reason(folder, scratch, name):
    change, said = FAULTS[name]
    change(folder)
    with pytest.raises(ArtifactError, match=said) as caught:
        load_model(folder, scratch)
    assert caught.value.file in ("DocSim-documents.npy", "DocSim-documents.jsonl")


def test_documents_outside_the_artifact_are_not_read(folder, tmp_path):
    for name in ("npy", "jsonl"):
        inside, outside = folder / f"DocSim-documents.{name}", tmp_path / f"secret.{name}"
        inside.rename(outside)
        inside.symlink_to(outside)
        with pytest.raises(ArtifactError, match=rf"documents\.{name}: lies outside the artifact"):
            load_model(folder)
        inside.unlink()
        outside.rename(inside)


CORPUS = "id,title,claim_text\n1,Haus,Haus und Baum\n2,,\n3,Baum,Der Baum\n"
PARAMS = {"language": "de", "vector_size": 4, "min_count": 1, "epochs": 3}


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.csv"
    path.write_text(CORPUS, encoding="utf-8")
    return path


def test_training_prepares_the_corpus_where_asked_to(tmp_path, corpus):
    params = {**PARAMS, "documents": True}
    lessons = family("DocSim").train(Material(corpus, params), tmp_path, no_progress)
    assert lessons.facts["documents"] == 2
    match = ask(load_model(tmp_path), query="Baum", top_k=1)[0]
    assert match["document"] == {"id": "3", "title": "Baum", "claim_text": "Der Baum"}


def test_training_prepares_the_documents_a_parameter_names(tmp_path, corpus):
    table = tmp_path / "table"
    table.write_text('{"id": 7, "claim_text": "Ein Haus", "tags": ["x"]}\n\n{"id": 8}\n')
    params = {**PARAMS, "documents_uri": "s3://b/x.jsonl", "document_fields": ["id", "tags"]}
    material = Material(corpus, params, {"documents_uri": table})
    lessons = family("DocSim").train(material, tmp_path, no_progress)
    assert lessons.facts["documents"] == 1
    match = ask(load_model(tmp_path), query="Haus")[0]
    assert (match["id"], match["document"]) == (7, {"id": 7, "tags": ["x"]})


def test_the_same_documents_give_the_same_bytes(tmp_path, corpus):
    made = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        params = {**PARAMS, "documents": True}
        family("DocSim").train(Material(corpus, params), folder, no_progress)
        made.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert made[0] == made[1]


def test_documents_that_were_not_fetched_are_an_error(tmp_path, corpus):
    params = {**PARAMS, "documents_uri": "s3://b/x.csv"}
    with pytest.raises(ArtifactError, match="documents_uri is 's3:"):
        family("DocSim").train(Material(corpus, params), tmp_path, no_progress)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("id,text\n1,x\n", "no column 'claim_text'; its columns: id, text"),
        ("", "no column 'claim_text'; its columns: none"),
        ("id,claim_text\n1,\n", "no document with a text"),
        ("id,claim_text\n1,x,y\n", "row 1 has 3 cells, the header 2"),
        ('id,claim_text\n1,"x\n', "not CSV"),
        ('{"claim_text": "x"}\n{"claim\n', "line 2 is not JSON"),
        ('{"claim_text": "x"}\n[]\n', "line 2 must be a JSON object"),
        ('{"claim_text": 5}\n', "document 1: claim_text is 5"),
        ('{"claim_text": "\\ud800"}\n', "document 1 cannot be kept"),
        ('{"claim_text": "x", "y": NaN}\n', "document 1 cannot be kept"),
        ('{"claim_text": "' + "x" * 1_100_000 + '"}\n', "document 1 has 1100019 bytes"),
    ],
    ids=lambda value: value[:30],
)
def test_a_table_of_documents_that_cannot_be_used_is_an_error(folder, tmp_path, content, said):
    table = tmp_path / "table.csv"
    table.write_text(content)
    with pytest.raises(CorpusError, match=rf"table\.csv: .*{said}"):
        prepare_documents(folder, table)
