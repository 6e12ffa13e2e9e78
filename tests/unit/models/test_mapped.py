"""Mapped files and vocabularies: the same as what they were made from, never trusted blindly."""

from __future__ import annotations

import io
import json
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.mapped.folder import Mapped, mapped, read, write
from models.mapped.npy import map_matrix
from models.mapped.vocabulary import MappedVocabulary, vocabulary_arrays
from models.registry import FAMILIES, family, load_model
from models.serving import Request

WORDS = st.lists(st.text(max_size=12), unique=True, max_size=60)


@given(WORDS, st.lists(st.text(max_size=12), max_size=20))
def test_a_mapped_vocabulary_is_the_dict_it_was_made_from(words, others):
    index = {word: row for row, word in enumerate(words)}
    vocabulary = MappedVocabulary(vocabulary_arrays(index))
    assert dict(vocabulary) == index
    assert len(vocabulary) == len(index)
    for word in others:
        assert (word in vocabulary) == (word in index)
        assert vocabulary.get(word) == index.get(word)
    assert vocabulary.find_all(words + others) == [index.get(word, -1) for word in words + others]


def test_words_with_one_hash_are_told_apart():
    arrays = vocabulary_arrays({"a": 0, "b": 1, "c": 2})
    same = arrays | {"hashes": np.full(3, arrays["hashes"][0])}
    vocabulary = MappedVocabulary(same)
    found = [vocabulary.get(word, -1) for word in ("a", "b", "c")]
    (first,) = {row for row in found if row >= 0}
    assert list(vocabulary)[first] == ("a", "b", "c")[found.index(first)]


def test_many_words_are_found_among_others_of_their_hash():
    # plumless and buckeroo have the same CRC-32
    index = {word: row for row, word in enumerate(["x", "plumless", "y", "buckeroo", "z"])}
    vocabulary = MappedVocabulary(vocabulary_arrays(index))
    assert vocabulary.find_all(["buckeroo", "plumless", "none"]) == [3, 1, -1]
    only = MappedVocabulary(vocabulary_arrays({"plumless": 0}))
    assert only.find_all(["buckeroo", "plumless"]) == [-1, 0]


ARRAY: dict[str, object] = {"name": "x", "dtype": "<f4", "shape": [8], "offset": 0}


@pytest.fixture
def content():
    numbers = np.arange(12, dtype=np.float32).reshape(3, 4)
    return Mapped({"numbers": numbers, "none": np.empty(0, np.int32)}, {"prior": 0.5})


def test_arrays_and_facts_come_back_as_they_were(tmp_path, content):
    write(tmp_path / "a.mapped", content)
    found = read(tmp_path / "a.mapped")
    assert found.facts == {"prior": 0.5}
    assert np.array_equal(found.arrays["numbers"], content.arrays["numbers"])
    assert found.arrays["none"].shape == (0,)
    with pytest.raises(ValueError, match="read-only"):
        found.arrays["numbers"][0, 0] = 1


def test_arrays_of_objects_are_never_read(tmp_path):
    write(tmp_path / "a.mapped", Mapped({"x": np.array([1, 2])}, {}))
    raw = (tmp_path / "a.mapped").read_bytes().replace(b'"<i8"', b'"|O8"')
    (tmp_path / "a.mapped").write_bytes(raw)
    with pytest.raises(ValueError, match="O"):
        read(tmp_path / "a.mapped")


LIES: dict[str, dict[str, object]] = {
    "negative offset": {"offset": -64},
    "offset behind the end": {"offset": 1 << 40},
    "offset of many digits": {"offset": 10**30},
    "offset in words": {"offset": "0"},
    "negative shape": {"shape": [-1]},
    "huge shape": {"shape": [1 << 62, 1 << 62]},
    "too large by one": {"shape": [9]},
    "huge and empty": {"shape": [0, 10**30]},
    "many dimensions": {"shape": [1] * 100},
    "no shape": {"shape": None},
    "shape in words": {"shape": "12"},
    "objects": {"dtype": "|O8"},
    "what NumPy takes for a list of types": {"dtype": ",f4"},
    "numbers of a size that none has": {"dtype": "<f1"},
    "records": {"dtype": "f4,f4"},
    "a shape in the dtype": {"dtype": "(2,2)<f4"},
    "words": {"dtype": "<U4"},
    "no dtype": {"dtype": None},
    "a name that is none": {"name": []},
}
HEADER = {
    "nested deeply": b"[" * 100_000,
    "no JSON": b"{",
    "no object": b"[]",
    "a number": b"5",
    "no arrays": b'{"facts": {}}',
    "arrays of nothing": b'{"facts": {}, "arrays": [null]}',
    "arrays in a number": b'{"facts": {}, "arrays": 5}',
    **{
        name: json.dumps({"facts": {}, "arrays": [ARRAY | changed]}).encode()
        for name, changed in LIES.items()
    },
}


@pytest.mark.hostile("archives")
@pytest.mark.parametrize("header", HEADER.values(), ids=HEADER)
def test_a_header_that_lies_is_refused(tmp_path, header):
    raw = b"MMEMAP02" + len(header).to_bytes(8, "little") + header
    raw += bytes(-len(raw) % 64) + bytes(32)
    (tmp_path / "a.mapped").write_bytes(raw)
    with pytest.raises((ValueError, KeyError)):
        read(tmp_path / "a.mapped")


@pytest.mark.hostile("surroundings")
@pytest.mark.parametrize("cut_bytes", [1, 47, 48, 100])
def test_a_file_that_was_cut_is_refused(tmp_path, content, cut_bytes):
    path = tmp_path / "a.mapped"
    write(path, content)
    os.truncate(path, path.stat().st_size - cut_bytes)
    with pytest.raises(ValueError, match=r"\w"):
        read(path)


def test_it_is_built_once_and_again_when_the_artifact_changes(tmp_path, content):
    source, built = tmp_path / "model", tmp_path / "built"

    def build():
        with built.open("a") as note:
            note.write("x")
        return content

    for text in ("one", None, "other!"):
        if text is not None:
            source.write_text(text)
        found = mapped(tmp_path / "scratch", [source], "v1", build)
        assert np.array_equal(found.arrays["numbers"], content.arrays["numbers"])
    assert built.read_text() == "xx"


@pytest.mark.parametrize("damage", [b"", b"MMEMAP02", b"x" * 100, b"MMEMAP02" + b"\xff" * 64])
def test_a_damaged_file_is_made_anew(tmp_path, content, damage):
    source = tmp_path / "model"
    source.touch()
    mapped(tmp_path / "scratch", [source], "v1", lambda: content)
    (path,) = (tmp_path / "scratch").iterdir()
    path.write_bytes(damage)
    found = mapped(tmp_path / "scratch", [source], "v1", lambda: content)
    assert found.facts == {"prior": 0.5}
    assert read(path).facts == {"prior": 0.5}


def test_where_nothing_can_be_written_the_arrays_stay_in_memory(tmp_path, content):
    (tmp_path / "file").touch()
    found = mapped(tmp_path / "file" / "scratch", [tmp_path / "file"], "v1", lambda: content)
    assert found is content


@pytest.mark.parametrize("name", FAMILIES)
def test_a_rehearsed_model_answers_its_request_mapped(tmp_path, name):
    model_dir, scratch = tmp_path / "model", tmp_path / "scratch"
    model_dir.mkdir()
    scratch.mkdir()
    request = family(name).rehearse(model_dir, scratch)
    assert len(list(scratch.iterdir())) == 1
    model = load_model(model_dir, scratch)
    assert model.describe()["family"] == name
    assert len(model.predict(request).body) > 4


@pytest.mark.parametrize("name", FAMILIES)
def test_mapped_and_unmapped_models_give_the_same_answers(tmp_path, name, trained):
    model_dir = trained[name]
    text = "Ein Impfstoff verändert, das Erbgut nicht. Masken schaden der Atmung".encode()
    request = {
        "TopicalPageRank": Request("text/plain", None, text),
        "DocSim": Request("text/csv", None, text),
        "Search": Request("text/plain", None, text),
    }[name]
    plain = load_model(model_dir)
    first = load_model(model_dir, tmp_path / "scratch")
    again = load_model(model_dir, tmp_path / "scratch")
    answers = {model.predict(request).body for model in (plain, first, again)}
    assert len(answers) == 1
    assert len(list((tmp_path / "scratch").iterdir())) == 1
    assert plain.describe() == again.describe()


@pytest.mark.parametrize("shape", [(3, 4), (1, 1), (0, 5), (5, 0), (70, 2)])
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_a_matrix_is_mapped_as_numpy_wrote_it(tmp_path, shape, version):
    numbers = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    with (tmp_path / "a.npy").open("wb") as file:
        np.lib.format.write_array(file, numbers, version)
    found = map_matrix(tmp_path / "a.npy")
    np.testing.assert_array_equal(found, numbers)
    assert not found.flags.writeable


def npy(numbers) -> bytes:
    file = io.BytesIO()
    np.save(file, numbers)
    return file.getvalue()


ONES = npy(np.ones((2, 3), np.float32))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no NumPy array"),
        (b"x" * 200, "no NumPy array"),
        (ONES[:20], "no NumPy array"),
        (ONES.replace(b"'<f4'", b"os.f4"), "no NumPy array"),
        (ONES.replace(b"NUMPY\x01", b"NUMPY\x09"), "no NumPy array"),
        (ONES[:-1], "too few for 2 x 3"),
        (ONES.replace(b"(2, 3), ", b"(2,9999)"), "no NumPy array"),
        (ONES.replace(b"(2, 3)", b"(9, 9)"), "too few for 9 x 9"),
        (npy(np.ones((2, 3))), "float32, not <f8"),
        (npy(np.ones((2, 3), ">f4")), "float32, not >f4"),
        (npy(np.ones(3, np.float32)), "float32, not <f4 of shape"),
        (npy(np.ones((2, 3), np.float32, order="F")), "C order"),
    ],
)
def test_what_is_no_float32_matrix_is_not_mapped(tmp_path, content, said):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(ValueError, match=said):
        map_matrix(tmp_path / "a.npy")
