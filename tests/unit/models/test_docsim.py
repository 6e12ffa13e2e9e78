"""DocSim: words and vectors against gensim's own, artifacts as gensim writes them."""

from __future__ import annotations

import pickle
import random
import string
from typing import Any

import numpy as np
import pytest
from gensim.matutils import unitvec
from gensim.models import KeyedVectors, Word2Vec
from gensim.models.doc2vec import Doc2Vec, TaggedDocument
from gensim.utils import simple_preprocess

from models.DocSim.vectors import WordVectors, read_vectors, similarity, unit
from models.DocSim.words import words_of
from models.errors import ArtifactError

ALPHABETS = [
    string.printable,
    "äöüßÄÖÜẞéèñçİıǅﬁ_0123456789² ½Ⅷ٣",
    "漢字かなカナ한국어עבריתالعربية\u0301\u200d\u00ad-\u2013\u2014'\u2019",
    "aA_ \n\t",
]


@pytest.mark.parametrize("max_chars", [15, 40])
def test_words_are_those_of_gensims_simple_preprocess(max_chars):
    dice = random.Random(1)  # noqa: S311 - a fixed sequence, no secret
    for _ in range(3000):
        text = "".join(dice.choice(dice.choice(ALPHABETS)) for _ in range(dice.randint(0, 80)))
        words = words_of(text, max_chars, spells_out=False)
        assert words == simple_preprocess(text, max_len=max_chars)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("5G und CO2", ["5g", "und", "co2"]),
        ("CO2-Steuer", ["co2", "steuer"]),
        ("Die 5g-Masten", ["die", "5g", "masten"]),
        ("25g Mehl", ["5g", "mehl"]),
        ("Donaudampfschifffahrt a b", []),
        ("", []),
    ],
)
def test_5g_and_co2_are_words(text, words):
    assert words_of(text, 15) == words


def keyed(size=300, dimensions=40, seed=0) -> Any:
    """Random vectors as gensim holds them."""
    generator = np.random.default_rng(seed)
    vectors = KeyedVectors(dimensions)
    words = [f"w{index}" for index in range(size)]
    rows = generator.normal(size=(size, dimensions)) * generator.lognormal(size=(size, 1))
    vectors.add_vectors(words, rows.astype(np.float32))
    return vectors


@pytest.mark.parametrize("dimensions", [1, 2, 7, 40, 100, 300])
def test_similarities_are_gensims_to_the_last_bit(dimensions):
    theirs = keyed(dimensions=dimensions, seed=dimensions)
    ours = WordVectors(theirs.key_to_index, theirs.vectors)
    dice = random.Random(dimensions)  # noqa: S311 - a fixed sequence, no secret
    texts = [
        [f"w{dice.randrange(300)}" for _ in range(dice.choice([1, 2, 5, 30, 200]))]
        for _ in range(2000)
    ]
    rows = np.array([ours.index[word] for text in texts for word in text])
    together = ours.means(rows, np.array([len(text) for text in texts]))
    for place in range(0, len(texts), 2):
        one, other = texts[place : place + 2]
        expected = str(np.float32(theirs.n_similarity(one, other)))
        assert str(similarity(together[place], together[place + 1])) == expected
        assert str(similarity(ours.mean(one), ours.mean(other))) == expected


@pytest.mark.parametrize("dimensions", [3, 40, 300])
def test_lengths_are_those_blas_takes_to_the_last_bit(dimensions):
    vectors = np.random.default_rng(dimensions).normal(size=(3000, dimensions)).astype(np.float32)
    theirs = np.array([unitvec(vector) for vector in vectors])
    np.testing.assert_array_equal(unit(vectors), theirs)


def test_a_long_text_is_averaged_as_gensim_does():
    theirs = keyed()
    ours = WordVectors(theirs.key_to_index, theirs.vectors)
    one = [f"w{index % 300}" for index in range(10_001)]
    expected = str(np.float32(theirs.n_similarity(one, ["w1"])))
    assert str(similarity(ours.mean(one), ours.mean(["w1"]))) == expected


def test_a_vector_of_zeros_is_like_nothing():
    theirs = KeyedVectors(3)
    theirs.add_vectors(["a", "b"], np.array([[0, 0, 0], [1, 2, 3]], np.float32))
    ours = WordVectors(theirs.key_to_index, theirs.vectors)
    assert similarity(ours.mean(["a"]), ours.mean(["b"])) == theirs.n_similarity(["a"], ["b"]) == 0


DOCUMENTS = [
    TaggedDocument(["masken", "schaden", "nicht"], [0]),
    TaggedDocument(["impfstoff", "schaden", "nicht", "masken"], [1]),
]


def doc2vec() -> Any:
    return Doc2Vec(DOCUMENTS, vector_size=6, min_count=1, epochs=3, workers=1, seed=1)


def word2vec() -> Any:
    texts = [document.words for document in DOCUMENTS]
    return Word2Vec(texts, vector_size=6, min_count=1, epochs=3, workers=1, seed=1)


def pickled(make, protocol) -> Any:
    def write(path):
        model = make()
        path.write_bytes(pickle.dumps(model, protocol=protocol))
        return getattr(model, "wv", model)

    return write


def saved(make, **options) -> Any:
    def write(path):
        model = make()
        model.save(str(path), **options)
        return getattr(model, "wv", model)

    return write


FORMS = {
    "KeyedVectors, one file": saved(keyed),
    "KeyedVectors, files beside": saved(keyed, sep_limit=0),
    "KeyedVectors, pickled": pickled(keyed, 4),
    "KeyedVectors, pickled, protocol 2": pickled(keyed, 2),
    "Doc2Vec, pickled": pickled(doc2vec, 4),
    "Doc2Vec, pickled, protocol 5": pickled(doc2vec, 5),
    "Doc2Vec, saved": saved(doc2vec),
    "Doc2Vec, saved, files beside": saved(doc2vec, sep_limit=0),
    "Word2Vec, pickled": pickled(word2vec, 4),
}


@pytest.mark.parametrize("form", FORMS)
def test_vectors_are_read_from_what_gensim_writes(tmp_path, form):
    path = tmp_path / "DocSim-model"
    theirs = FORMS[form](path)
    ours = read_vectors(path)
    assert ours.index == theirs.key_to_index
    assert ours.vectors.dtype == np.float32
    np.testing.assert_array_equal(ours.vectors, theirs.vectors)


def test_vectors_beside_the_model_are_mapped_not_read(tmp_path):
    path = tmp_path / "DocSim-model"
    keyed().save(str(path), sep_limit=0)
    assert isinstance(read_vectors(path).vectors, np.memmap)


class Model:
    """Pickles as an instance of gensim's class with this state."""

    def __init__(self, **state) -> None:
        self.state = state

    def __reduce__(self):
        return (KeyedVectors, (3,), self.state)


GOOD: dict[str, Any] = {"key_to_index": {"a": 0, "b": 1}, "vectors": np.ones((2, 3), np.float32)}
BROKEN: dict[str, dict[str, Any]] = {
    "no words": {"vectors": GOOD["vectors"]},
    "a word too many": GOOD | {"key_to_index": {"a": 0, "b": 1, "c": 2}},
    "a row twice": GOOD | {"key_to_index": {"a": 0, "b": 0}},
    "a row outside": GOOD | {"key_to_index": {"a": 0, "b": 5}},
    "rows of text": GOOD | {"key_to_index": {"a": 0, "b": "1"}},
    "no vectors": {"key_to_index": {"a": 0}},
    "vectors in a list": GOOD | {"vectors": [[1.0], [2.0]]},
    "a single vector": GOOD | {"vectors": np.ones(2, np.float32)},
    "whole numbers": GOOD | {"vectors": np.ones((2, 3), int)},
    "not finite": GOOD | {"vectors": np.array([[1.0], [np.nan]], np.float32)},
    "a file that is missing": {"key_to_index": {"a": 0}, "__numpys": ["vectors"]},
    "a file outside": {"key_to_index": {"a": 0}, "__numpys": ["../vectors"]},
    "a file list that is none": {"key_to_index": {"a": 0}, "__numpys": "vectors"},
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_model_is_an_error_that_names_the_file(tmp_path, name):
    path = tmp_path / "DocSim-model"
    path.write_bytes(pickle.dumps(Model(**BROKEN[name])))
    with pytest.raises(ArtifactError, match="DocSim-model: "):
        read_vectors(path)


def test_a_pickle_of_something_else_is_an_error(tmp_path):
    path = tmp_path / "DocSim-model"
    path.write_bytes(pickle.dumps({"vectors": 1}))
    with pytest.raises(ArtifactError, match="DocSim-model: holds no gensim model but dict"):
        read_vectors(path)


def beside(tmp_path, content) -> Any:
    path = tmp_path / "model" / "DocSim-model"
    path.parent.mkdir()
    keyed().save(str(path), sep_limit=0)
    file = path.with_name("DocSim-model.vectors.npy")
    file.unlink()
    content(file)
    return path


def test_an_array_of_objects_beside_the_model_is_not_unpickled(tmp_path):
    path = beside(tmp_path, lambda file: np.save(file, np.array([{}], object), allow_pickle=True))
    with pytest.raises(ArtifactError, match=r"DocSim-model\.vectors\.npy: is no NumPy array"):
        read_vectors(path)


def test_a_pickle_in_place_of_an_array_is_not_read(tmp_path):
    path = beside(tmp_path, lambda file: file.write_bytes(pickle.dumps([1])))
    with pytest.raises(ArtifactError, match=r"DocSim-model\.vectors\.npy: is no NumPy array"):
        read_vectors(path)


def test_a_link_out_of_the_artifact_is_not_followed(tmp_path):
    secret = tmp_path / "secret.npy"
    np.save(secret, np.ones((300, 40), np.float32))
    path = beside(tmp_path, lambda file: file.symlink_to(secret))
    with pytest.raises(ArtifactError, match="outside the artifact"):
        read_vectors(path)
