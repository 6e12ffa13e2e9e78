"""Documents that say nearly the same: which are told, how alike they are, and what it costs."""

from __future__ import annotations

import time

import numpy as np
import pytest

from models.registry import family
from models.Search import near_duplicates as module
from models.Search.near_duplicates import MIN_ALIKE, SHOWN, alike_pairs
from models.serving import Material, no_progress
from models.word_counts import WordCounts


def counted(texts):
    counts = WordCounts(np.float32)
    for text in texts:
        counts.add((text.split(), 1))
    return counts.matrix()


def pairs_of(texts):
    firsts, seconds, alike = alike_pairs(counted(texts))
    return [
        (first, second, round(float(how), 3))
        for first, second, how in zip(firsts.tolist(), seconds.tolist(), alike, strict=True)
    ]


def facts_of(tmp_path, rows, head="id,title,claim_text"):
    path = tmp_path / "c.csv"
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    (tmp_path / "out").mkdir()
    given = Material(path, {"language": "de", "vector_size": 0})
    return family("Search").train(given, tmp_path / "out", no_progress).facts["near_duplicates"]


def test_the_same_words_are_alike_whatever_their_order_and_number():
    assert pairs_of(["a b c", "c c b a", "x y z"]) == [(0, 1, 1.0)]


def test_alike_is_the_share_of_different_words_in_common():
    nine = "a b c d e f g h i"
    assert pairs_of([nine, f"{nine} j"]) == [(0, 1, 0.9)]
    assert pairs_of(["a b c d", "a b c e"]) == []  # 3 of 5


def test_each_document_is_told_with_the_most_alike_of_earlier_ones():
    base = " ".join(f"w{n}" for n in range(20))
    assert pairs_of([base, f"{base} x y", base, "z"]) == [(0, 1, 0.909), (0, 2, 1.0)]


@pytest.mark.parametrize("texts", [[], ["a"], ["", ""], ["", "a b", "", "a b"]])
def test_documents_without_words_are_like_none(texts):
    assert pairs_of(texts) == ([(1, 3, 1.0)] if len(texts) == 4 else [])


def test_nearly_all_pairs_that_are_clearly_alike_are_found_and_no_others():
    generator = np.random.default_rng(5)
    texts = []
    for _ in range(300):
        drawn = generator.choice(2000, size=30, replace=False)
        texts.append(" ".join(f"w{word}" for word in drawn))
    for number in range(0, 300, 3):  # two of 30 words exchanged: 28 of 32 in common
        words = texts[number].split()
        words[:2] = [f"new{number}", f"other{number}"]
        texts.append(" ".join(words))
    found = {(first, second): alike for first, second, alike in pairs_of(texts)}
    planted = {(number, 300 + number // 3) for number in range(0, 300, 3)}
    assert len(planted & found.keys()) >= 97
    assert found.keys() <= planted
    assert set(found.values()) == {round(28 / 32, 3)}


def test_the_report_tells_ids_and_titles_the_most_alike_first(tmp_path):
    ten = "eins zwei drei vier fünf sechs sieben acht neun zehn"
    rows = [
        f"a,Zahlen,{ten}",
        "b,Obst,Apfel Birne Kirsche",
        f"c,Zahlen,{ten} elf",
        "d,Obst,Birne Apfel Kirsche",
        f"e,{'lang ' * 100},anders",
    ]
    told = facts_of(tmp_path, rows)
    assert (told["documents_looked_at"], told["bound"], told["documents"]) == (5, MIN_ALIKE, 2)
    assert told["pairs"] == [
        {"first": {"id": "b", "title": "Obst"}, "second": {"id": "d", "title": "Obst"},
         "alike": 1.0},
        {"first": {"id": "a", "title": "Zahlen"}, "second": {"id": "c", "title": "Zahlen"},
         "alike": 0.917},
    ]  # fmt: skip


def test_without_titles_the_text_is_told_and_cut(tmp_path):
    text = "wort " * 100
    told = facts_of(tmp_path, [f"a,{text}", f"b,{text}"], "id,claim_text")
    assert told["pairs"][0]["first"] == {"id": "a", "title": text[:200]}


def test_only_the_first_are_shown_and_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_DOCUMENTS", 30)
    told = facts_of(tmp_path, [f"{n},Titel,gleicher Text" for n in range(40)])
    assert (told["documents_looked_at"], told["documents"]) == (30, 29)
    assert len(told["pairs"]) == SHOWN


@pytest.mark.parametrize(
    "text_of",
    [
        lambda n: "a b c d e f g h i j",
        lambda n: f"a b c d e f g h i j only{n % 7}",
        lambda n: " ".join(f"w{k}" for k in range(n % 50)),
    ],
    ids=["all the same", "seven kinds", "growing"],
)
def test_many_documents_that_are_alike_cost_no_more_than_many_that_are_not(text_of):
    def cost_s(texts):
        matrix = counted(texts)
        began_s = time.process_time()
        alike_pairs(matrix)
        return time.process_time() - began_s

    different = cost_s([" ".join(f"{n}x{k}" for k in range(10)) for n in range(10_000)])
    assert cost_s([text_of(n) for n in range(10_000)]) < 10 * different + 0.5
