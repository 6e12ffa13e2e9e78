"""Requests cost in proportion to their size, whatever they are made of."""

from __future__ import annotations

import codecs
import encodings
import itertools
import json
import sys
import tracemalloc
from encodings.aliases import aliases

import numpy as np
import pytest

from models import bodies
from models.errors import AnswerTooLarge, ArtifactError, BadInput, ServingError
from models.mapped.vocabulary import MOST_ALIKE, vocabulary_arrays
from models.media import MediaType, answer_type, content_type
from models.registry import load_model
from models.serving import Request
from models.TopicalPageRank.graph import MAX_PAIRS, TooManyPairs, build_graph
from models.TopicalPageRank.params import MAX_TEXTS

pytestmark = pytest.mark.hostile("requests to models")

MIB = 1024 * 1024
SIZE = MIB // 4


def peak_bytes(work) -> int:
    """How much memory of Python's `work` needs at once."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


CHARSETS = {"utf-8", "utf-8-sig", "ascii", "iso8859-1", "iso8859-15", "cp1252", "utf-16",
            "utf-16-le", "utf-16-be"}  # fmt: skip


@pytest.mark.parametrize("spelt", [*aliases, *sorted(CHARSETS), "UTF 8", "Latin-1", "windows_1252"])
def test_a_charset_has_all_the_names_that_python_knows(spelt):
    try:
        is_wanted = codecs.lookup(spelt).name in CHARSETS
    except LookupError:
        is_wanted = False
    media = MediaType("text/plain", {"charset": spelt})
    if is_wanted:
        body = "ab".encode(spelt)
        assert bodies.decode(body, media) == body.decode(spelt).removeprefix("\ufeff")
    else:
        with pytest.raises(BadInput, match="is not supported"):
            bodies.decode(b"ab", media)


@pytest.mark.parametrize(
    "name", [*(f"klingon-{number}" for number in range(5)), "bz2", "idna", "mbcs", "x" * 10_000,
             "..models", "encodings.idna", "\udcff"]
)  # fmt: skip
def test_a_charset_nobody_knows_is_neither_looked_for_nor_remembered(name):
    known, modules = len(encodings._cache), set(sys.modules)
    with pytest.raises(BadInput, match="charset"):
        bodies.decode(b"x", MediaType("text/plain", {"charset": name}))
    assert len(encodings._cache) == known
    assert set(sys.modules) == modules


@pytest.mark.timeout(5)
@pytest.mark.parametrize(
    "header", ["a" * 2_000_000, "a;" * 300_000, '"' * 1_000_000, "a/b;q=" * 300_000]
)
def test_a_long_header_takes_no_longer_than_it_is(header):
    with pytest.raises(ServingError) as caught:
        content_type(header, ("text/plain",))
    assert len(caught.value.message) < 400
    with pytest.raises(ServingError):
        answer_type(header)


ROWS = {
    "line ends": b"\n" * SIZE,
    "line ends of two": b"\r\n" * SIZE,
    "blank cells": b",\n" * SIZE,
    "rows of two": b"a,b\n" * (SIZE // 2),
    "rows of three": b"a,b,c\n" * (SIZE // 3),
    "quotes": b'"' * SIZE,
    "commas": b"," * SIZE,
    "columns": b"ab," * (SIZE // 3),
    "a quote without end": b'"' + b"a,b\n" * (SIZE // 4),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", ROWS)
def test_a_table_takes_no_more_than_so_many_times_its_size(similarity, name):
    body = ROWS[name]

    def ask():
        with pytest.raises(BadInput) as caught:
            similarity(body)
        assert len(caught.value.message) < 400

    assert peak_bytes(ask) < 30 * len(body) + 8 * MIB


JSON = {
    "lists in lists": "[" * SIZE,
    "objects in objects": '{"a":' * (SIZE // 5),
    "lists in lists that end": "[" * 900 + "]" * 900,
    "empty lists": "[" + "[]," * (SIZE // 3) + "[]]",
    "empty objects": "[" + "{}," * (SIZE // 3) + "{}]",
    "numbers": "[" + "1.5," * (SIZE // 4) + "1]",
    "numbers of 4,000 digits": "[" + ("9" * 4000 + ",") * 250 + "1]",
    "a number of a million digits": "9" * SIZE,
    "a fraction of a million digits": "0." + "9" * SIZE,
    "a number beyond all": "1e999",
    "no number": "NaN",
    "short texts": "[" + '"ab",' * (SIZE // 5) + '"a"]',
    "half characters": '"' + "\\ud800" * (SIZE // 6) + '"',
    "NULs": '"' + "\\u0000" * (SIZE // 6) + '"',
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", JSON)
@pytest.mark.parametrize("key", ["text", "claims", "pairs"])
def test_hostile_json_is_refused_in_few_words_by_every_family(
    keyphrases, similarity, search, key, name
):
    body = f'{{"{key}": {JSON[name]}}}'.encode()
    for model in (keyphrases, similarity, search):
        try:
            said = model(body, "application/json").body  # where each claim is refused on its own
        except BadInput as error:
            said = error.message
        else:
            assert [*json.loads(said)["results"][0]] == ["error"]
        assert len(said) < 400


def test_a_million_keys_are_refused_in_few_words(keyphrases, similarity, search):
    body = ("{" + ",".join(f'"{number}":1' for number in range(100_000)) + "}").encode()
    for model in (keyphrases, similarity, search):
        with pytest.raises(BadInput) as caught:
            model(body, "application/json")
        assert len(caught.value.message) < 400


def test_more_texts_than_are_taken_are_refused_before_one_is_read(keyphrases):
    with pytest.raises(BadInput, match=f"10001 texts; at most {MAX_TEXTS} are taken"):
        keyphrases.json({"texts": ["a"] * 10_001})


COUNT = 40_000
TEXTS = {
    "apostrophes": "'" * COUNT,
    "quotes": '"' * COUNT,
    "dots": "." * COUNT,
    "dots and signs": ".!" * (COUNT // 2),
    "brackets": "(" * (COUNT // 2) + ")" * (COUNT // 2),
    "tags": "<b>" * (COUNT // 3),
    "ampersands": "&" * COUNT,
    "digits": "1" * COUNT,
    "groups of digits": "1.000." * (COUNT // 6),
    "spaces": "a" + " " * COUNT,
    "line ends": "a" + "\n" * COUNT,
    "hard spaces": "a" + "\u00a0" * COUNT,
    "emoji": "😀" * COUNT,
    "joiners": "a" + "\u200d" * COUNT,
    "marks of direction": "a" + "\u200f\u202e" * (COUNT // 2),
    "marks": "a" + "\u0301\u0323" * (COUNT // 2),
    "links": "http://a.de/" * (COUNT // 12),
    "hashtags": "#a" * (COUNT // 2),
    "one letter": "a" * COUNT,
    "controls": "a" + "\x01" * COUNT,
    "letters that grow": "\ufdfa" * (COUNT // 18),
    "many letters": " ".join(map(chr, range(0x4E00, 0x5F00))),
}


@pytest.mark.timeout(15)
@pytest.mark.parametrize("name", TEXTS)
def test_a_text_of_one_thing_is_answered_by_every_family(keyphrases, similarity, search, name):
    text = TEXTS[name]
    assert isinstance(json.loads(keyphrases(text).body), list)
    assert "similarity" in similarity.json({"text1": text, "text2": "Masken"})
    assert "matches" in search.json({"claim": text})


@pytest.mark.timeout(5)
@pytest.mark.parametrize("window", [10**9, 100_000])
def test_a_window_as_wide_as_a_long_text_is_refused(window):
    words = [f"w{number}" for number in range(50_000)]
    with pytest.raises(TooManyPairs):
        build_graph(words, window)
    assert build_graph(words[: int(MAX_PAIRS**0.5) // 4], window).edges
    assert build_graph(words, 3).edges


def test_a_request_to_a_model_of_a_wide_window_is_bad_input(trained, tmp_path, monkeypatch):
    source = trained["TopicalPageRank"]
    (tmp_path / "TopicalPageRank-model").write_bytes(
        (source / "TopicalPageRank-model").read_bytes()
    )
    params = json.loads((source / "TopicalPageRank-params.json").read_text())
    (tmp_path / "TopicalPageRank-params.json").write_text(json.dumps({**params, "window": 10**9}))
    monkeypatch.setattr("models.TopicalPageRank.graph.MAX_PAIRS", 100)
    text = (
        "Der Impfstoff wirkt, und Masken schaden der Atmung der Menschen in Deutschland nicht. " * 9
    )
    with pytest.raises(BadInput, match="window is too wide for a text of this length"):
        load_model(tmp_path).predict(Request("text/plain", None, text.encode()))


def words_of_one_hash(count: int) -> list[str]:
    # plumless and buckeroo have one CRC-32, and so has whatever is made of as many of them.
    blocks = itertools.product(("plumless", "buckeroo"), repeat=10)
    return ["".join(parts) for parts in itertools.islice(blocks, count)]


def test_a_vocabulary_made_to_be_searched_slowly_is_refused():
    words = words_of_one_hash(MOST_ALIKE + 1)
    assert (
        len(vocabulary_arrays({word: row for row, word in enumerate(words[:-1])})["hashes"]) == 64
    )
    with pytest.raises(ValueError, match="more than 64 words share a hash"):
        vocabulary_arrays({word: row for row, word in enumerate(words)})


@pytest.mark.parametrize("name", ["TopicalPageRank", "DocSim"])
def test_an_artifact_of_such_a_vocabulary_is_not_converted(trained, tmp_path, monkeypatch, name):
    monkeypatch.setattr("models.mapped.vocabulary._hash", lambda _: 7)
    monkeypatch.setattr("models.mapped.vocabulary.MOST_ALIKE", 4)
    with pytest.raises(ArtifactError, match=f"{name}-model: more than 4 words share a hash"):
        load_model(trained[name], tmp_path)


def test_an_answer_of_documents_that_is_too_large_is_not_made(search, monkeypatch):
    monkeypatch.setattr("models.Search.model.MAX_CELLS_BYTES", 150)
    with pytest.raises(AnswerTooLarge):
        search("Impfstoff Masken")
    assert search.json({"claim": "Impfstoff", "top_k": 1})["matches"]


def test_an_answer_of_prepared_documents_that_is_too_large_is_not_made(
    trained, tmp_path, monkeypatch
):
    for name in ("DocSim-params.json", "DocSim-model"):
        (tmp_path / name).write_bytes((trained["DocSim"] / name).read_bytes())
    np.save(tmp_path / "DocSim-documents.npy", np.eye(3, 8, dtype=np.float32))
    (tmp_path / "DocSim-documents.jsonl").write_text('{"a": 1}\n' * 3)
    model = load_model(tmp_path)
    body = b'{"query": "Masken", "top_k": 3}'
    model.predict(Request("application/json", None, body))
    monkeypatch.setattr("models.DocSim.matching.MAX_FIELDS_BYTES", 20)
    with pytest.raises(AnswerTooLarge):
        model.predict(Request("application/json", None, body))
