"""DocSim: taxonomies, what training reports of them, and the tags texts get."""

from __future__ import annotations

import csv
import json
from typing import Any

import numpy as np
import pytest
from gensim.models import KeyedVectors

from models.DocSim.mapping import map_vectors
from models.DocSim.params import parse_params
from models.DocSim.tag_report import coverage, read_tags
from models.DocSim.taxonomy import read_taxonomy
from models.DocSim.taxonomy_report import Space, suggestions
from models.DocSim.texts import TextReader
from models.errors import ArtifactError, BadInput, CorpusError
from models.params import Params
from models.registry import family, load_model
from models.serving import Material, Request, no_progress

TAXONOMY: dict[str, Any] = {
    "similarity-threshold": 0.6,
    "excluded-terms": ["Vakzin"],
    "Gesundheit": {
        "Impfung": ["Impfstoff", "mRNA Impfung", "Covid-19"],
        "Masken": ["maske", "maskenpflicht"],
    },
    "Klima": {"Energie": ["strom", "CO2"]},
}
WORDS = {
    "impfstoff": [1, 0, 0, 0],
    "impfung": [0.9, 0.1, 0, 0],
    "vakzin": [0.99, 0, 0, 0.1],
    "spritze": [0.8, 0, 0.5, 0],
    "mrna": [0.7, 0.7, 0, 0],
    "maske": [0, 1, 0, 0],
    "mundschutz": [0.1, 2, 0, 0],
    "strom": [0, 0, 3, 0],
    "windrad": [0, 0, 1, 0.3],
    "co2": [0, 0.1, 1, 0.9],
    "der": [1, 0, 0, 0.01],
    "katze": [0, -1, -1, 1],
}


def write_model(folder) -> KeyedVectors:
    vectors = KeyedVectors(4)
    vectors.add_vectors(list(WORDS), np.array(list(WORDS.values()), np.float32))
    vectors.save(str(folder / "DocSim-model"))
    (folder / "DocSim-params.json").write_text('{"language": "de"}')
    return vectors


@pytest.fixture
def folder(tmp_path):
    """An artifact of twelve words, with a taxonomy."""
    folder = tmp_path / "model"
    folder.mkdir()
    write_model(folder)
    (folder / "DocSim-taxonomy.json").write_text(json.dumps(TAXONOMY), encoding="utf-8")
    return folder


@pytest.fixture
def space(folder) -> Space:
    params = parse_params(Params("p", {"language": "de"}))
    vectors = map_vectors(folder / "DocSim-model", None)
    return Space(TextReader(params, vectors), vectors, params.stop_words)


@pytest.fixture
def taxonomy(folder) -> Any:
    return read_taxonomy(folder / "DocSim-taxonomy.json")


def ask(model, accept=None, **value) -> Any:
    request = Request("application/json", accept, json.dumps(value).encode())
    body = model.predict(request).body
    return body if accept else json.loads(body)


def tags(model, text) -> list[tuple[Any, ...]]:
    found = ask(model, text=text, want="tags")["tags"]
    return [(tag["tag"], tag["term"], tag["word"], tag["similarity"]) for tag in found]


@pytest.fixture(params=["mapped", "in memory"])
def model(request, folder, tmp_path):
    scratch = tmp_path / "scratch" if request.param == "mapped" else None
    load_model(folder, scratch)  # the second load maps what the first one made
    return load_model(folder, scratch)


def test_a_term_in_the_text_gives_its_tag(model):
    answer = ask(model, text="Ein Impfstoff, sagt er.", want="tags")
    assert answer == {
        "tags": [
            {
                "tag": "Impfung",
                "category": "Gesundheit",
                "term": "Impfstoff",
                "word": "impfstoff",
                "similarity": 1.0,
            }
        ]
    }


@pytest.mark.parametrize(
    ("text", "term", "word"),
    [
        ("Die neue mRNA-Impfung", "mRNA Impfung", "mrna impfung"),
        ("gegen COVID-19!", "Covid-19", "covid 19"),
        ("Impfstoff oder mRNA Impfung", "mRNA Impfung", "mrna impfung"),
    ],
)
def test_terms_of_several_words_are_found_word_for_word(model, text, term, word):
    assert ("Impfung", term, word, 1.0) in tags(model, text)


def test_the_parts_of_a_term_are_not_the_term(model):
    assert tags(model, "Covid 20, 19 Katzen") == []
    assert tags(model, "Demaskenpflicht") == []


def test_a_word_like_a_term_gives_its_tag(model):
    (found,) = tags(model, "Der Mundschutz")
    assert found[:3] == ("Masken", "maske", "mundschutz")
    assert found[3] == pytest.approx(2 / np.hypot(2, 0.1), abs=1e-6)


def test_tags_come_surest_first_and_each_once(model):
    found = tags(model, "Windrad, Strom, Spritze und Mundschutz")
    assert [tag for tag, *_ in found] == ["Energie", "Masken", "Impfung"]
    assert found[0] == ("Energie", "strom", "strom", 1.0)


def test_excluded_terms_stop_words_and_unlike_words_give_no_tag(model):
    assert tags(model, "Das Vakzin") == []
    assert tags(model, "der") == []
    assert tags(model, "Die Katze ist unbekannt") == []
    assert tags(model, "") == []


def test_a_word_must_be_above_the_threshold(folder, model):
    ((_, _, _, similarity),) = tags(model, "Windrad")
    for threshold, count in ((similarity, 0), (similarity - 1e-4, 1)):
        changed = {**TAXONOMY, "similarity-threshold": threshold}
        (folder / "DocSim-taxonomy.json").write_text(json.dumps(changed))
        assert len(tags(load_model(folder), "Windrad")) == count


def test_several_texts_are_answered_one_by_one(model):
    texts = ["Strom", "nichts", "Mundschutz"]
    answer = ask(model, texts=texts, want="tags")
    assert answer["results"] == [ask(model, text=text, want="tags") for text in texts]
    rows = list(csv.reader(ask(model, accept="text/csv", texts=texts, want="tags").splitlines()))
    assert rows[0] == ["0", "Energie", "Klima", "strom", "strom", "1.0"]
    assert [row[0] for row in rows] == ["0", "2"]
    single = ask(model, accept="text/csv", text="Strom", want="tags")
    assert single == "Energie,Klima,strom,strom,1.0\n"


def test_a_bad_text_of_several_gets_an_error_in_its_place(model):
    texts = ["Strom", None, "Mundschutz"]
    first, bad, last = ask(model, texts=texts, want="tags")["results"]
    assert bad == {"error": "Text 1 must be a string, not null"}
    assert [first, last] == ask(model, texts=["Strom", "Mundschutz"], want="tags")["results"]
    rows = list(csv.reader(ask(model, accept="text/csv", texts=texts, want="tags").splitlines()))
    assert [row[0] for row in rows] == ["0", "2"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"text": "x"}, '"want" must be "tags", not None'),
        ({"text": "x", "want": "tag"}, "not 'tag'"),
        ({"want": "tags"}, 'either "text" or "texts"'),
        ({"text": "x", "texts": [], "want": "tags"}, 'either "text" or "texts"'),
        ({"text": 5, "want": "tags"}, "text must be a string"),
        ({"texts": "x", "want": "tags"}, '"texts" must be a list'),
        ({"texts": ["x"] * 10_001, "want": "tags"}, "10001 texts are too many"),
        ({"text": "x", "want": "tags", "top_k": 1}, "query"),
        ({"text": "x", "want": "tags", "how": 1}, "Unknown key 'how'"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_unusable_requests_for_tags_are_bad_input(model, value, said):
    with pytest.raises(BadInput, match=said):
        ask(model, **value)


def test_a_model_without_a_taxonomy_says_so(trained):
    with pytest.raises(BadInput, match="no taxonomy"):
        ask(load_model(trained["DocSim"]), text="x", want="tags")


def test_similarities_are_gensims(folder, space, taxonomy):
    vectors = KeyedVectors.load(str(folder / "DocSim-model"))
    for suggestion in suggestions(taxonomy, space):
        words = [word for word in suggestion.term.text.lower().split() if word in vectors]
        assert suggestion.is_known == bool(words)
        theirs = vectors.most_similar(positive=words, topn=20) if words else []
        wanted = [
            (word, score) for word, score in theirs
            if score > 0.6 and word not in ("impfstoff", "maske", "strom", "co2", "vakzin", "der")
        ]  # fmt: skip
        assert [word for word, _ in suggestion.words] == [word for word, _ in wanted]
        assert [score for _, score in suggestion.words] == pytest.approx(
            [score for _, score in wanted], abs=1e-6
        )


@pytest.mark.parametrize("key", ["categories", "taxonomy"])
def test_categories_may_stand_in_an_object_of_their_own(tmp_path, taxonomy, key):
    path = tmp_path / "nested.json"
    inner = {name: TAXONOMY[name] for name in ("Gesundheit", "Klima")}
    nested = {"similarity-threshold": 0.6, "excluded-terms": ["Vakzin"], key: inner}
    path.write_text(json.dumps(nested))
    assert read_taxonomy(path) == taxonomy
    path.write_text(taxonomy.to_json(), encoding="utf-8")
    assert read_taxonomy(path) == taxonomy
    path.write_text(json.dumps({"similarity-threshold": 0.6, key: {"tag": ["term"]}}))
    assert [(term.category, term.tag) for term in read_taxonomy(path).terms] == [(key, "tag")]


FAULTS = [
    ("{", "is not JSON"),
    ("[" * 100_000, "is not JSON"),
    ('{"similarity-threshold": 0.5, "similarity-threshold": 0.6}', "stands there twice"),
    ("[]", "must be an object"),
    ({"Gesundheit": None}, "Gesundheit is None: it must be an object of tags"),
    ({"description": "mine"}, "description is 'mine': it must be an object of tags"),
    ({"Gesundheit": ["x"]}, r"Gesundheit is \['x'\]"),
    ({"Gesundheit": {"Impfung": "x"}}, "Gesundheit.Impfung is 'x': it must be a list of terms"),
    ({"Gesundheit": {"Impfung": []}}, r"Gesundheit.Impfung is \[\]"),
    ({"Gesundheit": {"Impfung": [5]}}, "Gesundheit.Impfung is 5"),
    ({"Gesundheit": {"Impfung": ["--"]}}, "Gesundheit.Impfung is '--'"),
    ({"Gesundheit": {"Impfung": ["\ud800x"]}}, "Gesundheit.Impfung is"),
    ({"Gesundheit": {"Impfung": ["x" * 201]}}, "at most 200 characters"),
    ({"Gesundheit": {" ": ["x"]}}, "must name a tag of Gesundheit"),
    ({"Gesundheit": {"Impfung": [f"x{n}" for n in range(20_001)]}}, "more|20003 terms"),
    ({"excluded-terms": "x"}, "excluded-terms is 'x': it must be a list"),
    ({"excluded-terms": [None]}, "excluded-terms is None"),
    ({"similarity-threshold": "0.7"}, "similarity-threshold is '0.7': it must be a number"),
    ({"similarity-threshold": None}, "similarity-threshold is None"),
    ({"similarity-threshold": True}, "similarity-threshold is True"),
    ({"similarity-threshold": 1.5}, "similarity-threshold is 1.5"),
    ('{"similarity-threshold": NaN, "a": {"b": ["c"]}}', "similarity-threshold is nan"),
    ('{"similarity-threshold": 0.5}', "must have a category"),
]


@pytest.mark.parametrize(("change", "said"), FAULTS, ids=lambda value: str(value)[:40])
def test_a_bad_taxonomy_is_refused_with_file_key_and_value(folder, tmp_path, change, said):
    text = change if isinstance(change, str) else json.dumps({**TAXONOMY, **change})
    (folder / "DocSim-taxonomy.json").write_text(text)
    for scratch in (None, tmp_path / "scratch"):
        with pytest.raises(ArtifactError, match=rf"DocSim-taxonomy\.json: .*({said})"):
            load_model(folder, scratch)


def test_a_taxonomy_outside_the_artifact_is_not_read(folder, tmp_path):
    inside = folder / "DocSim-taxonomy.json"
    inside.rename(tmp_path / "elsewhere.json")
    inside.symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(ArtifactError, match="outside the artifact"):
        load_model(folder)


def test_existing_tags_are_covered_by_name_by_term_or_by_likeness(space, taxonomy):
    found = coverage(taxonomy, ["masken", "CO2", "Windrad", "Katze", "xyzzy"], space)
    assert [each.covered_by for each in found] == ["tag", "term", "similar", None, None]
    windrad = found[2].likest[0]
    assert (windrad[0].category, windrad[0].tag, windrad[0].text) == ("Klima", "Energie", "strom")
    assert found[4].likest == ()


@pytest.mark.parametrize(
    "content",
    [
        '["Masken", "Fake News", "Masken"]',
        "Masken\nFake News\n\n",
        '\ufefftag,count\r\nMasken,3\r\n"Fake News",5\r\n',
    ],
)
def test_tags_are_read_from_json_csv_and_lines(tmp_path, content):
    path = tmp_path / "tags"
    path.write_text(content, encoding="utf-8")
    assert read_tags(path) == ["Masken", "Fake News"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "has no tags"),
        (b"[]", "has no tags"),
        (b"[5]", "holds 5"),
        (b"[", "is no list of tags"),
        (b"\xff", "is no list of tags"),
        (b'"x', "is no list of tags"),
    ],
)
def test_what_is_no_list_of_tags_is_an_error(tmp_path, content, said):
    path = tmp_path / "tags"
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=f"tags: .*{said}"):
        read_tags(path)


PARAMS = {"language": "de", "vector_size": 4, "min_count": 1, "epochs": 20}


def train(tmp_path, **files) -> Any:
    corpus = tmp_path / "corpus.csv"
    corpus.write_text("claim_text\nDer Impfstoff wirkt\nDie Maske schadet der Umwelt\n")
    paths = {}
    for key, content in files.items():
        paths[key] = tmp_path / key
        paths[key].write_text(content, encoding="utf-8")
    output = tmp_path / "artifact"
    output.mkdir()
    params = {**PARAMS, **dict.fromkeys(files, "s3://bucket/file")}
    return output, family("DocSim").train(Material(corpus, params, paths), output, no_progress)


def test_training_packs_the_taxonomy_and_reports_beside_it(tmp_path):
    loose = json.dumps({**TAXONOMY, "similarity-threshold": 0})
    output, lessons = train(tmp_path, taxonomy_uri=loose, tags_uri="Masken\nxyzzy\n")
    assert {path.name for path in output.iterdir()} == {
        "DocSim-params.json", "DocSim-model", "DocSim-taxonomy.json"
    }  # fmt: skip
    assert tags(load_model(output), "Maske")[0] == ("Masken", "maske", "maske", 1.0)
    assert lessons.facts.items() >= {
        "taxonomy_tags": 3, "taxonomy_terms": 7, "taxonomy_terms_unknown": 5, "tags_not_covered": 1
    }.items()  # fmt: skip
    report = json.loads(lessons.reports["DocSim-taxonomy-report.json"])
    first = report["tags"][0]["terms"][0]
    assert (report["tags"][0]["tag"], first["term"], first["is_known"]) == (
        "Impfung", "Impfstoff", True
    )  # fmt: skip
    offered = {entry["word"] for entry in first["similar"]}
    assert offered <= {"wirkt", "schadet", "umwelt"}
    rows = list(csv.DictReader(lessons.reports["DocSim-taxonomy-report.csv"].splitlines()))
    assert {row["word"] for row in rows if row["term"] == "Impfstoff"} == offered or not offered
    assert [row["known"] for row in rows if row["term"] == "Covid-19"] == ["no"]
    existing = json.loads(lessons.reports["DocSim-tag-report.json"])
    assert (existing["covered"], existing["not_covered"]) == (1, 1)
    assert "xyzzy,,,,," in lessons.reports["DocSim-tag-report.csv"]


def test_a_list_of_tags_alone_is_an_error(tmp_path):
    with pytest.raises(ArtifactError, match="tags_uri needs a taxonomy_uri"):
        train(tmp_path, tags_uri="Masken")


def test_a_bad_taxonomy_is_an_error_of_training(tmp_path):
    with pytest.raises(ArtifactError, match="taxonomy_uri: similarity-threshold is None"):
        train(tmp_path, taxonomy_uri="{}")
