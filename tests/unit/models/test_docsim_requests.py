"""DocSim: pairs of texts, from a request to scores, against gensim step by step."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
import pytest
from gensim.models import KeyedVectors
from gensim.utils import simple_preprocess

from models.bodies import to_csv
from models.DocSim.vectors import read_vectors
from models.errors import ArtifactError, BadInput, NotAcceptable, UnsupportedContentType
from models.registry import family, load_model
from models.serving import Material, Request, no_progress


def as_the_original(vectors, row, stop_words, *, is_one_sided) -> str:
    """The score of a pair by gensim, step by step as the first version of this family went."""
    sides = []
    for place, text in enumerate(row):
        if is_one_sided and place:
            words = simple_preprocess(text)
        else:
            words = simple_preprocess(text.lower().replace("5g", "fuenfg").replace("co2", "cozwei"))
            words = [{"fuenfg": "5g", "cozwei": "co2"}.get(word, word) for word in words]
        sides.append([word for word in words if word in vectors and word not in stop_words])
    return str(vectors.n_similarity(*sides)) if all(sides) else "0.00"


LETTERS = "abcdefghijklmno"
COMMON = [f"w{one}{other}" for one in LETTERS for other in LETTERS]
KNOWN = [*COMMON, "5g", "co2", "steuer", "fuenfg", "der", "größe", "langeswortohnesinn"]
SCRAPS = ["5G", "CO2-Steuer", "25g", "fuenfg", "NA", "3.14", "der", "_waa_", "Waa7wab", "GRÖSSE",
          "größe", "\u2028", "x", "langeswortohnesinn", "waa."]  # fmt: skip


@pytest.mark.parametrize("compat", ["original", "both-sides"])
@pytest.mark.parametrize("is_mapped", [True, False])
def test_many_rows_score_as_gensim_scores_each_of_them(tmp_path, compat, is_mapped):
    folder = tmp_path / "model"
    folder.mkdir()
    vectors = KeyedVectors(30)
    rows_of_words = np.random.default_rng(2).normal(size=(len(KNOWN), 30)).astype(np.float32)
    vectors.add_vectors(KNOWN, rows_of_words)
    vectors.save(str(folder / "DocSim-model"))
    params = {"language": "de", "compat": compat, "stop_words": ["der", "wab"]}
    (folder / "DocSim-params.json").write_text(json.dumps(params))
    model = load_model(folder, tmp_path / "scratch" if is_mapped else None)
    dice = random.Random(3)  # noqa: S311 - a fixed sequence, no secret
    pool = [*COMMON, *SCRAPS * 6]
    rows = [
        [" ".join(dice.choices(pool, k=dice.choice([0, 1, 4, 25, 120, 400]))) for _ in range(2)]
        for _ in range(400)
    ]
    answer = model.predict(Request("text/csv", None, to_csv(rows).encode()))
    is_one_sided = compat == "original"
    assert json.loads(answer.body) == [
        as_the_original(vectors, row, {"der", "wab"}, is_one_sided=is_one_sided) for row in rows
    ]


ONE, OTHER = "Masken schaden der Atmung", "Der Impfstoff verändert das Erbgut"


def test_rows_are_answered_by_strings_one_a_row(similarity):
    answer = similarity(f"{ONE},{OTHER}\n{ONE},{ONE}\n")
    found = json.loads(answer.body)
    assert answer.content_type == "application/json"
    assert [type(score) for score in found] == [str, str]
    assert float(found[1]) == pytest.approx(1, abs=1e-6)
    assert found[0] == str(np.float32(float(found[0])))


def test_a_text_without_a_known_word_is_like_nothing(similarity):
    answer = similarity(f'{ONE},xyzzy\n,{ONE}\n"",""\nNA,3.14\nder,{ONE}')
    assert json.loads(answer.body) == ["0.00"] * 5


def test_a_missing_content_type_means_csv(similarity):
    body = f"{ONE},{OTHER}".encode()
    assert similarity.model.predict(Request(None, None, body)) == similarity(body)


def test_bom_line_ends_and_blank_lines_do_not_matter(similarity):
    plain = similarity(f"{ONE},{OTHER}\n{OTHER},{ONE}\n")
    assert similarity(f'\ufeff{ONE},"{OTHER}"\r\n\r\n{OTHER},{ONE}') == plain


def test_json_and_csv_agree(similarity):
    scores = [float(score) for score in json.loads(similarity(f"{ONE},{OTHER}\na,b").body)]
    assert similarity.json({"pairs": [[ONE, OTHER], ["a", "b"]]}) == {"similarities": scores}
    assert similarity.json({"text1": ONE, "text2": OTHER}) == {"similarity": scores[0]}
    assert similarity.json({"pairs": []}) == {"similarities": []}
    assert similarity(f"{ONE},{OTHER}\na,b", accept="text/csv").body == f"{scores[0]}\n0.00\n"


def test_a_query_finds_the_likest_documents_first(similarity):
    documents = ["xyzzy", OTHER, ONE, "unbekannt", ONE]
    matches = similarity.json({"query": ONE, "documents": documents})["matches"]
    scores = [match["score"] for match in matches]
    assert scores == sorted(scores, reverse=True)
    assert [match["index"] for match in matches if match["score"] == scores[0]] == [2, 4]
    assert [match["index"] for match in matches if match["score"] == 0] == [0, 3]
    assert matches[0]["document"] == ONE
    best = similarity.json({"query": ONE, "documents": documents, "top_k": 2})["matches"]
    assert best == matches[:2]
    assert similarity.json({"query": ONE, "documents": []}) == {"matches": []}


def test_matches_in_csv_are_numbers_of_documents_and_scores(similarity):
    body = json.dumps({"query": ONE, "documents": ["xyzzy", ONE], "top_k": 1})
    row = similarity(body, "application/json", "text/csv").body.strip().split(",")
    assert row[0] == "1"
    assert float(row[1]) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"only one", "Row 1 has 1 columns"),
        (b"a,b\n\nc,d,e\n", "Row 3 has 3 columns"),
        (b'"a,b', "CSV"),
        (b"a\0,b", r"U\+0000"),
        (b"\xff,b", "utf-8"),
    ],
)
def test_unusable_rows_are_bad_input_that_says_where(similarity, body, said):
    with pytest.raises(BadInput, match=said):
        similarity(body)


@pytest.mark.parametrize(
    "value",
    [
        [],
        "x",
        {},
        {"text1": "a"},
        {"text1": "a", "text2": 5},
        {"text1": "a", "text2": "b", "text3": "c"},
        {"pairs": "x"},
        {"pairs": [["a"]]},
        {"pairs": [["a", "b", "c"]]},
        {"pairs": ["ab"]},
        {"pairs": [["a", None]]},
        {"pairs": [], "query": "x"},
        {"query": "x"},
        {"documents": ["x"]},
        {"query": "x", "documents": "y"},
        {"query": "x", "documents": ["y", 3]},
        {"query": None, "documents": ["y"]},
        {"query": "x", "documents": ["y"], "top_k": 0},
        {"query": "x", "documents": ["y"], "top_k": 1.5},
        {"query": "x\u0000", "documents": ["y"]},
    ],
    ids=lambda value: str(value)[:40],
)
def test_unusable_json_is_bad_input(similarity, value):
    with pytest.raises(BadInput):
        similarity.json(value)


def test_other_types_are_refused(similarity):
    with pytest.raises(UnsupportedContentType):
        similarity("a,b", "text/plain")
    with pytest.raises(NotAcceptable):
        similarity("a,b", accept="image/png")


@pytest.fixture
def artifact(tmp_path):
    def load(**params):
        values = KeyedVectors(2)
        rows = [[1, 0], [0, 1], [1, 1]]
        values.add_vectors(["5G", "netz", "masken"], np.array(rows, np.float32))
        values.save(str(tmp_path / "DocSim-model"))
        text = json.dumps({"language": "de"} | params)
        (tmp_path / "DocSim-params.json").write_text(text)
        return load_model(tmp_path)

    return load


def ask(model, text) -> Any:
    return json.loads(model.predict(Request("text/csv", None, text.encode())).body)


def test_both_texts_of_a_pair_are_prepared_alike_unless_asked_otherwise(artifact):
    rows = "5g,Netz 5g\nNetz 5g,5g"
    assert ask(artifact(), rows) == ["0.70710677"] * 2
    assert ask(artifact(compat="original"), rows) == ["0.0", "0.00"]


def test_stop_words_and_word_length_come_from_the_parameters(artifact):
    assert ask(artifact(), "Netz Masken,Netz") == ["0.8944272"]
    assert ask(artifact(extra_stop_words=["masken"]), "Netz Masken,Netz") == ["1.0"]
    assert ask(artifact(stop_words=["netz"]), "Netz,Netz") == ["0.00"]


@pytest.mark.parametrize(
    "params",
    [
        {"language": 5},
        {"language": "xx"},
        {"vector_size": "big"},
        {"epochs": -1},
        {"compat": "new"},
        {"max_token_length": 1},
        {"stop_words": {}},
    ],
)
def test_bad_parameters_are_an_error_that_names_file_and_key(artifact, params):
    with pytest.raises(ArtifactError, match=r"DocSim-params\.json: ") as caught:
        artifact(**params)
    assert next(iter(params)).split("_")[0] in caught.value.message


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_vectors_in_a_file_of_their_own_answer_as_those_inside(tmp_path, kind):
    vectors = KeyedVectors(3)
    vectors.add_vectors(["netz", "masken"], np.array([[1, 2, 3], [3, 1, 2]], np.float32))
    vectors.vectors = vectors.vectors.astype(kind)
    answers = set()
    for name, limit in (("inside", 10**6), ("beside", 0)):
        folder = tmp_path / name
        folder.mkdir()
        vectors.save(str(folder / "DocSim-model"), sep_limit=limit)
        (folder / "DocSim-params.json").write_text('{"language": "de"}')
        for scratch in (None, tmp_path / f"{name}-scratch"):
            answers.add(tuple(ask(load_model(folder, scratch), "Netz,Masken\nNetz Masken,Netz")))
    assert len(answers) == 1


def test_the_models_folder_is_left_as_it_was(trained):
    folder = trained["DocSim"]
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    ask(load_model(folder), f"{ONE},{OTHER}")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("spellings", [["5G"], ["5g"], ["5G", "5g"]])
def test_the_vocabularys_own_spelling_of_5g_is_used(tmp_path, spellings):
    vectors = KeyedVectors(2)
    vectors.add_vectors(["netz", *spellings], np.eye(3, 2, dtype=np.float32)[: 1 + len(spellings)])
    vectors.save(str(tmp_path / "DocSim-model"))
    (tmp_path / "DocSim-params.json").write_text('{"language": "de"}')
    expected = "0.0" if spellings[-1] == "5g" and len(spellings) == 2 else "0.70710677"
    assert ask(load_model(tmp_path), "5G,Netz 5g") == [expected]


@pytest.mark.parametrize("compat", ["original", "both-sides"])
def test_cells_the_first_version_failed_at_are_texts(artifact, compat):
    model = artifact(compat=compat)
    for row in ("1,2", "3.14,Netz", ",", "Netz,", "NA,NA", "nan,Netz", "null,Netz", "True,1e5"):
        assert ask(model, row) == ["0.00"], row
    assert ask(model, "1,2\nNetz,Netz\n,\nNA,Netz") == ["0.00", "1.0", "0.00", "0.00"]


def test_long_words_count_as_far_as_the_parameters_say(tmp_path):
    word = "donaudampfschiff"
    assert len(word) == 16
    vectors = KeyedVectors(2)
    vectors.add_vectors([word, "netz"], np.eye(2, dtype=np.float32))
    vectors.save(str(tmp_path / "DocSim-model"))
    for params, expected in (({}, "0.00"), ({"max_token_length": 16}, "1.0")):
        (tmp_path / "DocSim-params.json").write_text(json.dumps({"language": "de"} | params))
        assert ask(load_model(tmp_path), f"{word},{word}") == [expected]


@pytest.mark.parametrize(("given", "recorded"), [({}, 40), ({"max_token_length": 15}, 15)])
def test_training_records_the_length_of_words_it_took(tmp_path, given, recorded):
    corpus = tmp_path / "corpus.csv"
    corpus.write_text("claim_text\nDonaudampfschiff im Netz\n", encoding="utf-8")
    params = {"language": "de", "vector_size": 2, "min_count": 1, "epochs": 1, **given}
    family("DocSim").train(Material(corpus, params), tmp_path, no_progress)
    written = json.loads((tmp_path / "DocSim-params.json").read_text("utf-8"))
    del written["stop_words"]
    assert written == {**params, "max_token_length": recorded, "clean_texts": True}
    known = read_vectors(tmp_path / "DocSim-model").index
    assert ("donaudampfschiff" in known) == (recorded == 40)
