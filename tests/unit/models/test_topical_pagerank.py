"""The algorithm: topics, ranks and keyphrases, each against another way to compute it."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.special import psi
from sklearn.decomposition import LatentDirichletAllocation

from models.language.stop_words import default_stop_words
from models.params import Params
from models.TopicalPageRank.graph import build_graph, pagerank
from models.TopicalPageRank.lda import (
    Lda,
    count_columns,
    counted_words,
    digamma,
    topic_distribution,
)
from models.TopicalPageRank.params import parse_params
from models.TopicalPageRank.ranking import rank

BASE = {"language": "de", "grammar": "NP: {<ADJ>*<NOUN>}", "window": 3}


def params(**changes) -> Any:
    return parse_params(Params("p.json", {**BASE, **changes}))


def lda_of(words, components) -> Lda:
    components = np.array(components, dtype=float)
    exp_dirichlet = np.exp(psi(components) - psi(components.sum(axis=1))[:, None])
    return Lda(
        {word: i for i, word in enumerate(words)},
        components,
        exp_dirichlet,
        components.sum(axis=1),
        0.5,
    )


def test_digamma_is_scipys():
    values = np.concatenate([np.geomspace(1e-8, 1e6, 500), [1.0, 1.4616321449683622]])
    np.testing.assert_allclose(digamma(values), psi(values), rtol=1e-13, atol=3e-9)


def test_topics_of_a_text_are_those_scikit_learn_finds():
    generator = np.random.default_rng(5)
    counts = generator.poisson(0.4, size=(60, 40)).astype(float)
    counts[7] = 0
    fitted = LatentDirichletAllocation(n_components=6, random_state=0).fit(counts)
    lda = Lda(
        {},
        fitted.components_,
        fitted.exp_dirichlet_component_,
        fitted.components_.sum(axis=1),
        fitted.doc_topic_prior_,
    )
    expected = fitted.transform(csr_matrix(counts))
    for row, wanted in zip(counts, expected, strict=True):
        columns = {int(i): int(row[i]) for i in np.flatnonzero(row)}
        np.testing.assert_allclose(topic_distribution(lda, columns), wanted, rtol=0, atol=1e-12)


def test_runs_of_two_or_more_word_characters_are_counted():
    counted = counted_words(["CO2-Steuer", "a", "ist", "steuer"])
    assert counted == ["co2", "steuer", "ist", "steuer"]
    assert count_columns(counted, {"steuer": 4, "co2": 1}, {"ist"}) == {1: 1, 4: 2}


def plain_pagerank(edges, jump, size) -> list[float]:
    """PageRank written down word by word, with networkx's rule for stopping."""
    ranks = [1 / size] * size
    for _ in range(100):
        new = [0.15 * jump[i] for i in range(size)]
        for i in range(size):
            out = {j: w for (a, b), w in edges.items() for k, j in ((a, b), (b, a)) if k == i}
            if not out:
                for j in range(size):
                    new[j] += 0.85 * ranks[i] * jump[j]
            for j, weight in out.items():
                new[j] += 0.85 * ranks[i] * weight / sum(out.values())
        change = sum(abs(a - b) for a, b in zip(new, ranks, strict=True))
        ranks = new
        if change < size * 1e-4:
            break
    return ranks


def test_ranks_are_those_of_pagerank_written_down_plainly():
    dice = random.Random(3)  # noqa: S311 - a fixed sequence, no secret
    words = [dice.choice([None, *"abcdefghij"]) for _ in range(60)] + [None] * 5 + ["alone"]
    graph = build_graph(words, 4)
    weights = [dice.random() for _ in graph.words]
    jump = [weight / sum(weights) for weight in weights]
    expected = plain_pagerank(graph.edges, jump, len(graph.words))
    found = pagerank(graph, dict(zip(graph.words, weights, strict=True)))
    assert list(found.values()) == pytest.approx(expected, abs=1e-14)
    assert "alone" in found


def test_words_are_linked_across_a_window_that_counts_every_token():
    graph = build_graph(["a", None, "b", "a", None, None, "c"], 3)
    assert graph.words == ("a", "b", "c")
    assert graph.edges == {(0, 1): 2.0}


SENTENCES = [
    [("Die", "DET"), ("neue", "ADJ"), ("Steuer", "NOUN"), ("kommt", "VERB"), (".", "PUNCT")],
    [("Steuer", "NOUN"), ("und", "CCONJ"), ("Strom", "NOUN"), ("kosten", "VERB")],
]


def test_keyphrases_of_a_small_text_by_hand():
    lda = lda_of(["steuer", "strom", "und"], [[8, 1, 1], [2, 6, 2]])
    topics = topic_distribution(lda, {0: 2, 1: 1})
    columns = {"steuer": [0.8, 0.2], "strom": [0.1, 0.6]}
    cosine = {
        word: float(np.dot(vector, topics) / (math.hypot(*vector) * math.hypot(*topics)))
        for word, vector in columns.items()
    }
    cosine["neue"] = min(cosine.values())
    # Positions: neue 1, Steuer 2, Steuer 5, Strom 7; within 3 are (1, 2) and (5, 7).
    order = ["neue", "steuer", "strom"]
    total = sum(cosine.values())
    jump = [cosine[word] / total for word in order]
    ranks = plain_pagerank({(0, 1): 1.0, (1, 2): 1.0}, jump, 3)
    expected = [
        ("neue steuer", ranks[0] + ranks[1]),
        ("steuer", ranks[1]),
        ("strom", ranks[2]),
    ]
    found = rank(SENTENCES, params(), lda, {"und"})
    assert [phrase for phrase, _ in found] == [phrase for phrase, _ in expected]
    assert [s for _, s in found] == pytest.approx([s for _, s in expected], abs=1e-12)


def test_a_normalized_score_is_the_mean_of_the_words():
    lda = lda_of(["steuer", "strom"], [[8, 1], [2, 6]])
    plain = dict(rank(SENTENCES, params(), lda, ()))
    mean = dict(rank(SENTENCES, params(normalized=True), lda, ()))
    assert mean["neue steuer"] == pytest.approx(plain["neue steuer"] / 2)
    assert mean["strom"] == plain["strom"]


def test_where_the_model_knows_no_word_all_words_weigh_the_same():
    lda = lda_of(["anderes", "wort"], [[8, 1], [2, 6]])
    found = dict(rank(SENTENCES, params(), lda, ()))
    assert sum(found.values()) > 0
    assert list(found) == ["neue steuer", "steuer", "strom"]


@pytest.mark.parametrize("sentences", [[], [[]], [[("geht", "VERB")]], [[("ö", "X")], []]])
def test_a_text_without_candidates_has_no_keyphrases(sentences):
    assert rank(sentences, params(), lda_of(["a", "b"], [[1, 2], [3, 4]]), ()) == []


def test_a_phrase_is_shown_as_first_seen_in_lower_case():
    sentences = [[("NEUE", "ADJ"), ("STEUERN", "NOUN")], [("neuer", "ADJ"), ("Steuer", "NOUN")]]
    lda = lda_of(["steu", "neu"], [[8, 1], [2, 6]])
    found = rank(sentences, params(normalization="stemming"), lda, ())
    assert [phrase for phrase, _ in found] == ["neue steuern"]


def test_words_outside_the_graph_add_nothing_to_a_phrase():
    lda = lda_of(["haus", "dach"], [[8, 1], [2, 6]])
    sentence = [("Haus", "NOUN"), ("mit", "ADP"), ("Dach", "NOUN")]
    found = rank([sentence], params(grammar="NP: {<NOUN><ADP><NOUN>}"), lda, ())
    [(phrase, score)] = found
    assert phrase == "haus mit dach"
    assert score == pytest.approx(1.0)


CASES = [f"{n:02d}" for n in range(1, 11)]
EXPECTED = ["pke-1.8.1", "pke-2.0.0", "pke-2.0.0-default-stoplist"]


@pytest.mark.parametrize("version", EXPECTED)
@pytest.mark.parametrize("number", CASES)
def test_keyphrases_are_those_of_the_reference(oracle, number, version):
    cases = json.loads((oracle / "cases.json").read_text("utf-8"))["cases"]
    case = next(case for case in cases if case["id"].startswith(number))
    stored = np.load(oracle / "lda.npz")
    lda = Lda(
        {word: i for i, word in enumerate(stored["vocabulary"].tolist())},
        stored["components"],
        stored["exp_dirichlet_component"],
        stored["components"].sum(axis=1),
        float(stored["doc_topic_prior"]),
    )
    stop_words = (
        default_stop_words("de")
        if version.endswith("default-stoplist")
        else set(json.loads((oracle / "stoplist.json").read_text("utf-8")))
    )
    sentences = [list(zip(s["tokens"], s["pos"], strict=True)) for s in case["sentences"]]
    found = rank(sentences, parse_params(Params("p", case["params"])), lda, stop_words)
    expected = case["expected"][version]
    assert len(found) == expected["n_candidates"]
    best = found[: case["params"]["n"]]
    assert [phrase for phrase, _ in best] == [phrase for phrase, _ in expected["keyphrases"]]
    scores = [score for _, score in expected["keyphrases"]]
    assert [score for _, score in best] == pytest.approx(scores, abs=1e-9)
