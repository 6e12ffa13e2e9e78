"""Words that stay whole, and full stops that are none of theirs; parts of speech of both."""

from __future__ import annotations

import json
from typing import Any

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st

from models.language.hanta.tagsets import FOREIGN_RUN, refined, to_upos
from models.language.pipelines import built_in, tag, tokenize
from models.language.tokens import LONGEST_RUN, blank, tokens_of
from models.language.whole_words import whole

NLP = blank("de")


def words(text, language="de"):
    nlp = NLP if language == "de" else blank(language)
    return [token.text for token in whole(tokens_of(nlp, text), language) if not token.is_space]


TOKENS = {
    "Viele Orte, z. B. Ulm, i. d. R. u. a. dort": (
        "Viele Orte , z.B. Ulm , i.d.R. u.a. dort"
    ),
    "Z.B. Ulm und d.h. auch Bonn": "Z.B. Ulm und d.h. auch Bonn",
    "im Jahr 44 v. Chr. in Rom, m. a. W. früh": "im Jahr 44 v.Chr. in Rom , m.a.W. früh",
    "z.\u00a0B. oder z.\nB. hier": "z.B. oder z.B. hier",
    "J. K. Muster und Frau A. D. Beispiel": "J. K. Muster und Frau A. D. Beispiel",
    "Sendemasten für 5G und 4G": "Sendemasten für 5G und 4G",
    "250g Mehl, 10 km, 20km": "250 g Mehl , 10 km , 20 km".replace("250 g", "250g"),
    "Weniger CO2. Mehr H2O.": "Weniger CO2 . Mehr H2O .",
    "CO 2-frei und CO 2, aber CO 2,5": "CO2-frei und CO2 , aber CO 2,5",
    "Gegen Covid-19. Vitamin B12.": "Gegen Covid-19 . Vitamin B12 .",
    "„Es fehlt B12.“": "„ Es fehlt B12 . “",
    "Im Jahr 1989. Dann kam der 3. Oktober 1990.": (
        "Im Jahr 1989 . Dann kam der 3. Oktober 1990 ."
    ),
    "Das 2000. Tor im 100. Spiel, Platz 2.": "Das 2000. Tor im 100. Spiel , Platz 2.",
    "Es waren 12.500.": "Es waren 12.500 .",
    "Version 2.0.1 und 1.1.2020": "Version 2.0.1 und 1.1.2020",
    "Wähler:innen, Wähler*innen, Wähler_innen": "Wähler:innen , Wähler*innen , Wähler_innen",
    "Wähler/innen, Wähler/-innen, Wähler(innen)": "Wähler/innen , Wähler/-innen , Wähler(innen)",
    "die Wähler:innenliste der Lehrer:in": "die Wähler:innenliste der Lehrer:in",
    "jede:r, eine*n gute:r": "jede:r , eine*n gute:r",
    "Er sagte:innen ist es kalt": "Er sagte : innen ist es kalt",
    'Die "Stern"-Umfrage': "Die Stern-Umfrage",
    "der »Zeit«-Bericht, die 'Welt'-Leser": "der Zeit-Bericht , die Welt-Leser",
    "die „Letzte Welle“-Gruppe": "die „ Letzte Welle-Gruppe",
    "50% der 100€-Scheine": "50 % der 100€-Scheine",
}  # fmt: skip


@pytest.mark.parametrize("text", TOKENS, ids=ascii)
def test_words_are_whole(text):
    assert words(text) == TOKENS[text].split()
    assert [*tokenize(NLP, [text])] == [TOKENS[text].split()]


@pytest.mark.parametrize("language", ["en", "nl"])
def test_other_languages_have_such_words_too(language):
    assert words("5G and 4G, CO 2!", language) == ["5G", "and", "4G", ",", "CO2", "!"]


def test_the_parts_of_speech_are_those_of_the_words_they_stand_for():
    text = 'Wähler:innen meiden z. B. 5G, jede:r liest den "Stern"-Bericht über 100€-Scheine.'
    (tagged,) = tag(built_in("de"), text)
    assert dict(tagged) == {
        "Wähler:innen": "NOUN", "meiden": "VERB", "z.B.": "ADV", "5G": "NOUN", ",": "PUNCT",
        "jede:r": "PRON", "liest": "VERB", "den": "DET", "Stern-Bericht": "NOUN", "über": "ADP",
        "100€-Scheine": "NOUN", ".": "PUNCT",
    }  # fmt: skip


def test_an_abbreviation_ends_no_sentence_and_a_full_stop_does():
    text = "Die Stadt hat z. B. Parks. Es fehlt CO2. Im Jahr 1999. Und i. d. R. auch Geld."
    assert [len(sentence) for sentence in tag(built_in("de"), text)] == [6, 4, 4, 5]


def test_without_whole_words_tokens_are_spacys():
    text = "Wähler:innen meiden z. B. 5G und CO2."
    (tagged,) = tag(built_in("de"), text, whole_words=False)
    expected = [token.text for token in spacy.blank("de")(text)]
    assert [word for word, _ in tagged] == expected
    assert [*tokenize(NLP, [text], whole_words=False)] == [expected]


PIECES = st.sampled_from(
    ["z. B.", "z.", "B.", " ", "\n", "5G", "CO 2", "CO2.", "1999.", "Wähler", ":innen", '"', "“-",
     "-", "€", "3", ".", "(in)", "a", "Ä", "\u00a0", ","]
)  # fmt: skip


@given(st.lists(PIECES, max_size=30).map("".join) | st.text())
def test_no_letter_is_lost_or_changes_its_place(text):
    doc = whole(tokens_of(NLP, text), "de")
    signs = dict.fromkeys(map(ord, " \n\t\"'„“”»«\u00a0\u201a\u2018\u2019\u203a\u2039"))
    both = [each.translate(signs) for each in ("".join(token.text for token in doc), text)]
    assert "".join(both[0].split()) == "".join(both[1].split())


@pytest.mark.parametrize("text", ["", "Das Wetter ist schön, sagt man.", "Der 3. Tag 2,5 Mal."])
def test_a_text_without_such_words_is_not_changed(text):
    doc = tokens_of(NLP, text)
    assert whole(doc, "en") is doc
    assert [token.text for token in whole(doc, "de")] == [token.text for token in doc]


def upos_of(language: str, words: list[str], tags: list[str]) -> list[str]:
    """The universal parts of speech of a whole sentence."""
    found = [to_upos(language, word, tag) for word, tag in zip(words, tags, strict=True)]
    return refined(language, words, tags, found)


def test_a_run_of_foreign_words_is_no_noun_phrase():
    alone = ["FM"] * (FOREIGN_RUN - 1)
    assert upos_of("de", ["Deep"] * len(alone), alone) == ["NOUN"] * len(alone)
    run = ["Look", "at", "the", ",", "Moon"]
    assert upos_of("de", run, ["FM"] * 3 + ["$,", "FM"]) == ["X", "ADP", "DET", "PUNCT", "X"]
    assert upos_of("en", run, ["NN1"] * 5) == ["NOUN", "NOUN", "NOUN", "PUNCT", "NOUN"]


def test_a_name_with_digits_is_a_name():
    assert upos_of("de", ["A380", "B.1.1.7", "12", "p53"], ["CARD", "CARD", "CARD", "XY"]) == [
        "PROPN", "PROPN", "NUM", "X",
    ]  # fmt: skip


def test_parts_of_speech_are_at_least_as_often_right(treebanks):
    tagger: Any = built_in("de").get_pipe("hanta_tagger")
    for name, least in (("ud_de_gsd_dev", 11_628), ("ud_de_pud", 13_832)):
        lines = (treebanks / f"{name}.jsonl").read_text("utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        tags = tagger.tag_all([row["tokens"] for row in rows])
        right = sum(
            ours == theirs
            for row, found in zip(rows, tags, strict=True)
            for ours, theirs in zip(upos_of("de", row["tokens"], found), row["upos"], strict=True)
        )
        assert right >= least


COUNT = 40_000
HOSTILE = {
    "abbreviations": "z. B. ",
    "abbreviations without spaces": "z.B.",
    "spaces in abbreviations": "z." + " " * 50,
    "stems": "Wähler",
    "stems with hyphens": "Wähler-",
    "women": "Wähler:innen",
    "brackets": "Wähler(",
    "quotes": '"',
    "quoted": '"Stern"-',
    "quotes and hyphens": 'a"-',
    "digits": "1",
    "digits and dots": "1.",
    "years": "1999. ",
    "prices": "1,1€-",
    "networks": "5G ",
    "gas": "CO 2",
    "colons": "ab:",
}


@pytest.mark.hostile("requests to models")
@pytest.mark.timeout(10)
@pytest.mark.parametrize("name", HOSTILE)
def test_finding_such_words_takes_time_in_proportion_to_the_text(name):
    text = HOSTILE[name] * (COUNT // len(HOSTILE[name]))
    longest = max(len(token) for token in whole(tokens_of(NLP, text), "de"))
    assert longest <= LONGEST_RUN
