"""Texts that are in another language than they should be, and the many that are not."""

from __future__ import annotations

import csv
import json
import random
import re

import pytest

from models.text import other_language, warning
from models.text.languages import MOST_CHARS, NAMES

GERMAN = [
    "",
    "Windräder",
    "Das stimmt so nicht.",
    "Impfungen schaden Kindern",
    "#Energiewende #Windkraft #NoFakeNews",
    "Star Wars: The Last Jedi",
    "The Times berichtet über die Bahn",
    "Bob Dylan singt im Olympiastadion in München",
    "Der neue Song heißt „All we ever wanted was you“, sagt die Band aus Köln.",
    "Update: Live Ticker, News, Shopping, Service",
    "12345 67890",
    "😀😀😀",
]


@pytest.mark.parametrize("text", GERMAN, ids=ascii)
def test_a_german_text_with_names_and_loans_is_german(text):
    assert other_language(text, "de") is None
    assert warning(text, "de") == {}


FOREIGN = {
    "The city will close all of its parks before the winter.": "en",
    "Don\u2019t tell anyone what they said about it": "en",
    "Le conseil n'a pas voulu fermer les parcs de la ville.": "fr",
    "El ayuntamiento no quiere cerrar los parques de la ciudad": "es",
    "Il comune non vuole chiudere i parchi della città": "it",
    "De stad wil niet dat het park voor de winter wordt gesloten": "nl",
    "A cidade não quer que os parques fechem antes do inverno": "pt",
    "Miasto nie chce, żeby parki były zamknięte przed zimą": "pl",
    "Город не хочет, чтобы парки закрыли до зимы": "ru",
}


@pytest.mark.parametrize("text", FOREIGN, ids=ascii)
def test_a_sentence_in_another_language_is_told(text):
    assert other_language(text, "de") == FOREIGN[text]
    assert other_language(text, FOREIGN[text]) is None


def test_a_warning_names_both_languages():
    assert warning("Die Stadt will ihre Parks vor dem Winter nicht schließen", "en") == {
        "language": "de",
        "warning": "This text looks German; this model is for English",
    }


@pytest.mark.parametrize("expected", ["xx", "", "sv", "DE"])
def test_of_an_unknown_language_nothing_is_said(expected):
    assert expected not in NAMES
    assert other_language("The city will close all of its parks.", expected) is None


def windows(sentences, count, size=8):
    """So many runs of `size` words out of different sentences, the same each time."""
    chance = random.Random(7)  # noqa: S311 - a choice of examples
    long_enough = [words for text in sentences if len(words := text.split()) >= size]
    for words in chance.sample(long_enough, min(count, len(long_enough))):
        start = chance.randrange(len(words) - size + 1)
        yield " ".join(words[start : start + size])


def share_told(texts):
    told = [other_language(text, "de") is not None for text in texts]
    return sum(told) / len(told)


def test_german_texts_are_hardly_ever_called_foreign(treebanks):
    with (treebanks.parent / "tweets_de.csv").open(encoding="utf-8") as file:
        tweets = [row["claim_text"] for row in csv.DictReader(file)]
    lines = (treebanks / "ud_de_gsd_dev.jsonl").read_text("utf-8").splitlines()
    sentences = [json.loads(line)["text"] for line in lines]
    assert share_told(tweets + sentences) < 0.002
    for size in (3, 6, 12, 25):
        assert share_told(windows(tweets + sentences, 2000, size)) < 0.005


@pytest.mark.parametrize("language", ["en", "fr"])
def test_eight_words_of_another_language_are_nearly_always_told(treebanks, language):
    path = treebanks / f"keyphrases_taln_{language}.jsonl"
    texts = [json.loads(line)["text"] for line in path.read_text("utf-8").splitlines()]
    sentences = [each for text in texts for each in re.split(r"(?<=[.!?])\s+", text)]
    for size in (8, 12, 25):
        assert share_told(windows(sentences, 2000, size)) > 0.95


@pytest.mark.hostile("requests to models")
@pytest.mark.timeout(5)
@pytest.mark.parametrize("piece", ["the ", "a'", "die the ", "\u0130", "x" * 100, "'"], ids=ascii)
def test_only_the_beginning_of_a_text_is_looked_at(piece):
    text = piece * (2_000_000 // len(piece))
    assert other_language(text, "de") == other_language(text[:MOST_CHARS], "de")
