"""Tagging over arrays gives what the library gives, to the last bit; the library is the oracle."""

from __future__ import annotations

import csv
import json
import os
import re
from random import Random
from typing import Any

import pytest
from HanTa.HanoverTagger import UNKNOWN, HanoverTagger
from hypothesis import given, settings
from hypothesis import strategies as st

from models.language.hanta.analysis import analyse
from models.language.hanta.batches import BatchAnalyser
from models.language.hanta.letter_tree import LetterTree
from models.language.hanta.tagger import MODEL_FILES, HantaTagger
from models.language.hanta.words import UPPER
from models.language.pipelines import built_in
from models.language.source_files import library_folder
from tests.support.endpoint import PROJECT

# Dutch has four times the tags of the others, and takes the library seconds and 800 MB to read.
LANGUAGES = ("de", "en")
TOKEN = re.compile(r"\w+(?:-\w+)*|[^\w\s]")
LETTERS = "abcdefghijklmnopqrstuvwxyzäöüßéABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÜ0123456789-.'`\u00b4İ😀"


def shorten(word):
    return word if len(word) <= 30 else word[0] + word[-29:]


class Oracle:
    """The library with one model, and our tagger beside it."""

    def __init__(self, language) -> None:
        self.library = HanoverTagger(str(library_folder("HanTa") / MODEL_FILES[language]))
        self.tagger: Any = built_in(language).get_pipe("hanta_tagger")
        self.known = list(self.library.cache)
        morphemes = {m for table in self.library.LP_m_t.values() for m in table if m}
        self.morphemes = sorted(morphemes)

    def tags(self, words):
        try:
            return self.library.tag_sent([shorten(word) for word in words], taglevel=0)
        except IndexError:
            return ["X"] * len(words)

    def analysis(self, word):
        found = self.library.analyze_forward(word)
        return {self.library.int2tag[tag]: float(p) for tag, p in found if tag != UNKNOWN}

    def agrees(self, words):
        return self.tagger.tag(words) == self.tags(words)

    def agrees_on(self, word):
        model = self.tagger._model
        found = {model.tags[tag]: p for tag, p in analyse(model, word).items()}
        return found == self.analysis(word)


@pytest.fixture(scope="module")
def oracles():
    return {language: Oracle(language) for language in LANGUAGES}


@pytest.fixture(params=LANGUAGES)
def oracle_of(request, oracles):
    return oracles[request.param]


def test_known_words_have_the_librarys_tags(oracle_of):
    chance = Random(1)  # noqa: S311 - a fixed sequence, no secret
    words = chance.sample(oracle_of.known, 1500)
    for word in words:
        assert oracle_of.agrees([word])
    for start in range(0, len(words), 20):
        part = [
            word.capitalize() if place % 3 else word.upper() if place % 2 else word
            for place, word in enumerate(words[start : start + 20])
        ]
        assert oracle_of.agrees(part)


def test_unknown_words_have_the_librarys_probabilities_to_the_last_bit(oracle_of):
    chance = Random(2)  # noqa: S311 - a fixed sequence, no secret
    compounds = ["".join(chance.sample(oracle_of.morphemes, 2))[-30:] for _ in range(100)]
    others = ["".join(chance.choices(LETTERS, k=length)).lower() for length in range(1, 40)]
    short = ["".join(chance.choices("aenrst", k=length)) for length in (1, 2, 3, 4) * 8]
    for word in (*compounds, *others, *short, "aa" * 30):
        assert oracle_of.agrees_on(word), word


def test_sentences_of_any_words_have_the_librarys_tags(oracle_of):
    chance = Random(3)  # noqa: S311 - a fixed sequence, no secret
    for length in (1, 2, 3, 5, 10, 40):
        for _ in range(5):
            known = chance.choices(oracle_of.known, k=length)
            unknown = ("".join(chance.choices(oracle_of.morphemes, k=2)) for _ in range(length))
            words = [chance.choice(pair) for pair in zip(known, unknown, strict=True)]
            assert oracle_of.agrees([chance.choice([w, w.capitalize(), w.upper()]) for w in words])


ODD = {
    "nothing": [],
    "an empty word": [""],
    "an empty word first": ["", "Haus", "."],
    "an empty word later": ["Haus", ""],
    "letters": ["a", "B", "ß", "İ", "é"],
    "numbers": ["1", "2024", "3,5", "007", "1.000.000"],
    "quotes": ["`", "``", "\u00b4", "\u00b4\u00b4", "'", "''", '"', "„", "“", "'\n", "``\n", "'s"],
    "emoji": ["😀", "👩‍🔬", "Haus", "🏳️‍🌈"],
    "spaces": [" ", "\n", "a b", "\t"],
    "nulls and surrogates": ["\0", "a\0", "\ud800", "a\udfff"],
    "capitals": ["DIE", "REGIERUNG", "PLANT", "NEUE", "STEUERN", "!"],
    "long words": ["x" * 29, "x" * 30, "X" * 31, "İ" * 30, "Ab" * 100],
    "500 words": ["Haus", "baum", "der", "!", "läuft"] * 100,
}


@pytest.mark.parametrize("name", ODD)
def test_odd_words_have_the_librarys_tags(oracle_of, name):
    assert oracle_of.agrees(ODD[name])
    assert oracle_of.agrees(ODD[name][::-1])


@settings(deadline=None, max_examples=60)
@given(words=st.lists(st.text(max_size=12), max_size=8))
def test_any_text_has_the_librarys_tags(oracles, words):
    assert oracles["de"].agrees(words)


@settings(deadline=None, max_examples=60)
@given(words=st.lists(st.text(alphabet=LETTERS, min_size=1, max_size=14), max_size=8))
def test_anything_like_words_has_the_librarys_tags(oracles, words):
    assert oracles["de"].agrees(words)


def shipped_sentences(language):
    """The claims of the sample corpus as lists of words and signs."""
    path = PROJECT / "models" / "corpus" / f"factchecks_{language}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return [TOKEN.findall(row["claim_text"]) for row in csv.DictReader(file)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_shipped_sentences_have_the_librarys_tags(oracles, language):
    sentences = shipped_sentences(language)[::4]
    assert all(oracles[language].agrees(words) for words in sentences)
    together = HantaTagger(language).tag_all(sentences)
    assert together == [oracles[language].tags(words) for words in sentences]


@pytest.mark.parametrize("name", ["ud_de_gsd_dev", "ud_de_pud"])
def test_real_sentences_have_the_librarys_tags(oracles, treebanks, name):
    lines = (treebanks / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    for line in lines[::4]:
        assert oracles["de"].agrees(json.loads(line)["tokens"])


def test_dutch_has_a_tagger():
    words = ["De", "nieuwe", "belasting", "op", "zonnestroom", "geldt", "vanaf", "2024", "."]
    tags = [tag.split("(")[0] for tag in HantaTagger("nl").tag(words)]
    assert tags == ["LID", "ADJ", "N", "VZ", "N", "WW", "VZ", "TW", "LET"]


WORDS = st.lists(st.text(max_size=6), unique=True, max_size=40)


@given(WORDS, st.text(max_size=12))
def test_a_letter_tree_finds_all_its_strings_in_a_word(strings, word):
    tree = LetterTree(strings)
    for start in range(len(word)):
        found = {word[start:end]: row for end, row in tree.beginnings(word, start)}
        assert found == {
            string: row
            for row, string in enumerate(strings)
            if string and word.startswith(string, start)
        }


@given(st.lists(st.text(alphabet="ab", max_size=5), unique=True, max_size=20))
def test_a_letter_tree_of_strings_that_begin_alike_finds_each(strings):
    tree = LetterTree(strings)
    for row, string in enumerate(strings):
        if string:
            assert (len(string), row) in list(tree.beginnings(string, 0))


@pytest.mark.parametrize("name", ["ud_de_gsd_dev", "ud_de_pud"])
def test_sentences_tagged_together_have_the_tags_they_have_alone(oracles, treebanks, name):
    lines = (treebanks / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    sentences = [json.loads(line)["tokens"] for line in lines[1::4]]
    fresh = HantaTagger("de")
    assert fresh.tag_all(sentences) == [oracles["de"].tags(words) for words in sentences]


def test_many_words_at_once_have_the_probabilities_of_each(oracle_of):
    chance = Random(4)  # noqa: S311 - a fixed sequence, no secret
    compounds = ["".join(chance.sample(oracle_of.morphemes, 2))[-30:] for _ in range(400)]
    others = ["".join(chance.choices(LETTERS, k=length)).lower() for length in range(1, 30)]
    words = list(dict.fromkeys([*compounds, *others, "\ud800abc", "aa" * 15]))
    model = oracle_of.tagger._model
    found = dict(BatchAnalyser(model).analyse_all(words))
    assert len(found) == len(words)
    for word in words:
        assert found[word] == pytest.approx(analyse(model, word), rel=1e-13), word


def candidates_of(tagger, word):
    return tagger._words.candidates([word], are_first=False)[word]


def test_a_word_judged_in_a_fork_is_known_to_the_process_it_came_from():
    tagger = HantaTagger("de")
    remembered = tagger._words._remembered
    assert remembered.get("quatschwortbildung", UPPER) is None
    pid = os.fork()
    if pid == 0:
        try:
            tagger.tag(["Die", "Quatschwortbildung"])
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert remembered.get("quatschwortbildung", UPPER) == candidates_of(
        HantaTagger("de"), "Quatschwortbildung"
    )


def test_a_remembered_word_has_the_tags_it_was_judged_to_have(oracles):
    words = ["Die", "Quatschwortbildungen", "quatschten", "Übelwörter", "😀", "x" * 40, "3.000er"]
    tagger = HantaTagger("de")
    assert tagger.tag(words) == tagger.tag(words) == oracles["de"].tags(words)
