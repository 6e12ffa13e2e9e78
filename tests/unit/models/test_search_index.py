"""The index: its numbers are BM25's, and no file makes it read what is not there."""

from __future__ import annotations

import contextlib
import json
import math
import shutil
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.errors import ArtifactError, ServingError
from models.language.stop_words import default_stop_words
from models.mapped.folder import MAGIC, Mapped, read, write
from models.registry import load_model
from models.Search.analysis import KINDS, Analyser, words_of
from models.Search.postings import LARGE_CORPUS
from models.serving import Request
from tests.unit.models.conftest import ROWS
from tests.unit.models.test_search import train

K1, B = 1.2, 0.75
OF_KIND = (1.0, 0.5, 0.33)


def by_the_book(texts: list[str], claim: str) -> list[float]:
    """Each text's score by terms, written as in the books."""
    analyser = Analyser("de", default_stop_words("de"))
    scores = [0.0] * len(texts)
    for kind in KINDS:

        def terms(text, kind=kind):
            return Counter(term for word in words_of(text) for term in analyser.terms(word, kind))

        counts = [terms(text) for text in texts]
        lengths = [sum(count.values()) for count in counts]
        mean = sum(lengths) / len(lengths)
        for term, repeated in terms(claim).items():
            held = sum(term in count for count in counts)
            idf = math.log(1 + (len(texts) - held + 0.5) / (held + 0.5))
            for row, (count, length) in enumerate(zip(counts, lengths, strict=True)):
                tf = count[term] * (K1 + 1) / (count[term] + K1 * (1 - B + B * length / mean))
                scores[row] += OF_KIND[kind] * repeated * idf * tf
    return scores


def test_scores_are_those_of_bm25_within_the_rounding_of_a_byte(search):
    texts = [f"{title} {title} {text}" for title, text in ROWS]  # a title counts twice
    ranker = search.model._ranker
    for claim in (*texts, "Impfstoffe machen Menschen zu Magneten, die Masken nicht"):
        rows, scores = ranker.scorer.score(ranker.scorer.read(claim)).best(10)
        expected = by_the_book(texts, claim)
        assert [expected[row] for row in rows] == pytest.approx(scores.tolist(), rel=0.01)
        assert sorted(rows.tolist()) == [row for row, score in enumerate(expected) if score > 0]


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A corpus so large that frequent terms are kept apart, and its texts."""
    random = np.random.default_rng(3)
    words = [
        f"{a}{b}{c}" for a in ("kra", "bo", "ste") for b in "mnlrtp" for c in ("au", "ig", "en")
    ]
    shares = 1 / np.arange(1, len(words) + 1)
    texts = [
        " ".join(random.choice(words, 8, p=shares / shares.sum())) for _ in range(LARGE_CORPUS)
    ]
    rows = [(str(row), "", text, "") for row, text in enumerate(texts)]
    folder = train(tmp_path_factory.mktemp("many"), rows, vector_size=0)
    return load_model(folder), texts


def test_frequent_terms_count_as_much_as_others(many):
    model, texts = many
    assert len(model._index.frequent_terms) > 10
    for claim in (texts[0], texts[1000], "kramau bomig stetpen"):
        expected = by_the_book(texts, claim)
        found = model._ranker.best(claim, 10)
        best = sorted(expected, reverse=True)[:10]
        assert [expected[match.row] for match in found] == pytest.approx(best, rel=0.02)


def test_a_claim_of_frequent_words_only_is_answered(many):
    model, texts = many
    rows = [match.row for match in model._ranker.best("kramau", 3)]
    assert all("kramau" in texts[row] for row in rows)
    without = next(row for row, text in enumerate(texts) if "kramau" not in text)
    shown = model._explainer.shared_words("kramau xyzzy", [*rows, without])
    assert shown == [["kramau"]] * 3 + [[]]


# Files that are not what they claim to be


def spoil(content, name, change):
    arrays = {key: np.array(array) for key, array in content.arrays.items()}
    arrays[name] = change(arrays[name])
    return Mapped(arrays, content.facts)


def put(index, value):
    def change(array):
        array.reshape(-1)[index] = value
        return array

    return change


SPOILT = [
    ("documents", put(0, -1), "documents holds numbers outside 0 to 5"),
    ("documents", put(-1, 6), "documents holds numbers outside 0 to 5"),
    ("documents", lambda array: array.astype(np.int64), "documents has dtype int64"),
    ("documents", lambda array: array[:-1], "impacts does not fit"),
    ("starts", put(3, 2**60), "starts does not rise"),
    ("starts", put(0, -5), "starts does not rise"),
    ("starts", put(0, 1), "do not begin at 0"),
    ("starts", put(-1, 2**40), "starts does not rise"),
    ("starts", lambda array: array[:-1], "starts does not fit"),
    ("ends", put(0, 2**50), "ends does not rise"),
    ("cell_ends", put(1, -(2**62)), "cell_ends does not rise"),
    ("cell_ends", lambda array: array[:1], "does not fit"),
    ("weights", put(0, np.nan), "weights holds numbers outside"),
    ("weights", put(0, -1), "weights holds numbers outside"),
    ("word_vectors", put(0, np.inf), "word_vectors holds numbers outside"),
    ("document_vectors", put(0, np.nan), "document_vectors holds numbers outside"),
    ("document_vectors", lambda array: array[:, :-1], "document_vectors does not fit"),
    ("document_vectors", lambda array: array[0], "document_vectors has dtype float16 and 1"),
    ("frequent_terms", lambda _: np.array([0], np.int32), "frequent_impacts does not fit"),
    ("hashes", lambda array: array[::-1], "no vocabulary"),
    ("rows", put(0, 1_000_000), "no vocabulary"),
    ("letters", put(0, 0xFF), "letters is not UTF-8"),
    ("cells", put(-1, 0xC3), "cells is not UTF-8"),
]


@pytest.fixture
def artifact(tmp_path, trained):
    shutil.copytree(trained["Search"], tmp_path / "artifact")
    return tmp_path / "artifact"


@pytest.mark.parametrize(("name", "change", "reason"), SPOILT)
def test_an_index_that_does_not_add_up_is_refused_by_file_and_reason(
    artifact, tmp_path, name, change, reason
):
    model = artifact / "Search-model"
    write(model, spoil(read(model), name, change))
    for scratch in (None, tmp_path / "scratch"):
        with pytest.raises(ArtifactError, match=f"Search-model: .*{reason}"):
            load_model(artifact, scratch)


@pytest.mark.parametrize(
    ("fact", "value"),
    [
        ("form", "Search.v0"), ("columns", None), ("columns", ["a", "a", "b", "c"]),
        ("columns", [1]), ("id_column", 4), ("id_column", -1), ("id_column", True),
        ("impact_unit", 0.0), ("impact_unit", "1"), ("impact_unit", math.nan),
    ],
)  # fmt: skip
def test_facts_that_cannot_be_are_refused(artifact, fact, value):
    content = read(artifact / "Search-model")
    write(artifact / "Search-model", Mapped(content.arrays, {**content.facts, fact: value}))
    with pytest.raises(ArtifactError, match="Search-model: "):
        load_model(artifact)


def test_an_array_that_is_missing_or_too_many_is_refused(artifact):
    content = read(artifact / "Search-model")
    arrays = dict(content.arrays)
    arrays["more"] = arrays.pop("weights")
    write(artifact / "Search-model", Mapped(arrays, content.facts))
    with pytest.raises(ArtifactError, match="must hold the arrays"):
        load_model(artifact)


@pytest.mark.parametrize(
    "raw",
    [
        b"", MAGIC, b"x" * 1000, MAGIC + b"\xff" * 100,
        MAGIC + (8).to_bytes(8, "little") + b"[1, 2, 3", MAGIC + b"\2\0\0\0\0\0\0\0[]",
        MAGIC + b'\x1b\0\0\0\0\0\0\0{"arrays": [1], "facts": 1}',
        MAGIC + (1_000_000).to_bytes(8, "little") + b"[" * 1_000_000,
    ],
)  # fmt: skip
def test_what_is_no_index_is_refused(artifact, raw):
    (artifact / "Search-model").write_bytes(raw)
    with pytest.raises(ArtifactError, match="Search-model: "):
        load_model(artifact)


@pytest.mark.parametrize(
    ("key", "value"),
    [("shape", [2**62]), ("shape", [-1]), ("shape", ["x"]), ("offset", -64), ("offset", 2**62),
     ("dtype", "|O8"), ("dtype", "<i4,<i4"), ("dtype", "nonsense"), ("name", 7)],
)  # fmt: skip
def test_an_array_that_would_lie_outside_the_file_is_refused(artifact, key, value):
    model = artifact / "Search-model"
    raw = model.read_bytes()
    length = int.from_bytes(raw[8:16], "little")
    header = json.loads(raw[16 : 16 + length])
    header["arrays"][0][key] = value
    changed = json.dumps(header).encode()
    model.write_bytes(raw[:8] + len(changed).to_bytes(8, "little") + changed + raw[16 + length :])
    with pytest.raises(ArtifactError, match="Search-model: "):
        load_model(artifact)


@pytest.mark.parametrize("cells", [b"[]", b"{}", b'["1", "2", "3", 4]', b"[" * 60, b'"'])
def test_a_document_that_is_no_list_of_texts_is_an_error_of_the_artifact(artifact, cells):
    content = read(artifact / "Search-model")
    first = int(content.arrays["cell_ends"][1])
    changed = spoil(
        content, "cells", put(slice(first), np.frombuffer(cells.ljust(first), np.uint8))
    )
    write(artifact / "Search-model", changed)
    model = load_model(artifact)
    with pytest.raises(ArtifactError, match="document 0"):
        model.predict(Request("text/plain", None, "Impfstoffe verändern das Erbgut".encode()))


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8))
def test_any_damage_is_answered_or_an_error_with_a_reason(artifact, trained, damage):
    raw = bytearray((trained["Search"] / "Search-model").read_bytes())
    for place, value in damage:
        raw[place % len(raw)] = value
    (artifact / "Search-model").write_bytes(raw)
    with contextlib.suppress(ServingError):
        model = load_model(artifact)
        for text in ("Der Impfstoff verändert das Erbgut", "Masken 5G CO2"):
            json.loads(model.predict(Request("text/plain", None, text.encode())).body)


def test_a_checked_index_is_not_read_through_again(artifact, tmp_path):
    """What is wrong inside is only seen by who looks: the second load does not."""
    scratch = tmp_path / "scratch"
    load_model(artifact, scratch)
    (mark,) = scratch.iterdir()
    made_at = mark.stat().st_mtime_ns
    assert load_model(artifact, scratch).describe()["documents"] == len(ROWS)
    assert mark.stat().st_mtime_ns == made_at
    model = artifact / "Search-model"
    write(model, spoil(read(model), "weights", put(0, np.nan)))
    with pytest.raises(ArtifactError, match="weights"):
        load_model(artifact, scratch)
