"""Grammars of candidate phrases."""

from __future__ import annotations

import pytest

from models.TopicalPageRank.grammar import Grammar, GrammarError


def phrases(grammar, tags) -> list[str]:
    words = tags.split()
    return [" ".join(words[a:b]) for a, b in Grammar(grammar).spans(words)]


@pytest.mark.parametrize(
    ("grammar", "tags", "expected"),
    [
        ("NP: {<ADJ>*<NOUN|PROPN>}", "ADJ NOUN NOUN PUNCT PROPN", ["ADJ NOUN", "NOUN", "PROPN"]),
        ("NP: {<ADJ>*<NOUN|PROPN>+}", "ADJ ADJ NOUN NOUN VERB NOUN", ["ADJ ADJ NOUN NOUN", "NOUN"]),
        ("NP:{<DET>?<NOUN>}", "DET NOUN NOUN", ["DET NOUN", "NOUN"]),
        ("NP: {<NOUN>{2,3}}", "NOUN NOUN NOUN NOUN VERB NOUN", ["NOUN NOUN NOUN"]),
        ("NP: {(<NOUN><ADP>)+<NOUN>}", "NOUN ADP NOUN ADP NOUN", ["NOUN ADP NOUN ADP NOUN"]),
        ("NP: {<NN.*>+}", "NN NNS VB NNP", ["NN NNS", "NNP"]),
        ("NP: {<N[NP]>}", "NN NP NX", ["NN", "NP"]),
        ("NP: {<ADJ><NOUN>|<PROPN>}", "ADJ NOUN NOUN PROPN", ["ADJ NOUN", "PROPN"]),
        ("NP: {<NOUN|PROPN>+}", "ADJ VERB", []),
        ("NP: {<NOUN>}", "", []),
        ("NP: { <ADJ> * <NOUN> }  # a comment", "ADJ NOUN", ["ADJ NOUN"]),
        ("NP: {<N>}", "NOUN", []),
    ],
)
def test_phrases_are_the_leftmost_greediest_runs(grammar, tags, expected):
    assert phrases(grammar, tags) == expected


def test_a_later_rule_takes_from_what_earlier_ones_left():
    grammar = """
      NP: {<ADJ><NOUN>}   # first
          {<NOUN>+}       # then
    """
    assert phrases(grammar, "NOUN ADJ NOUN NOUN NOUN") == ["NOUN", "ADJ NOUN", "NOUN NOUN"]


@pytest.mark.parametrize(
    "grammar",
    [
        "",
        "<NOUN>",
        "{<NOUN>}",
        "NP: <NOUN>",
        "NP: {}",
        "NP: {<NOUN>*}",
        "NP: {<NOUN>",
        "NP: {(<NOUN>}",
        "NP: {<>}",
        "NP: {NOUN}",
        "NP: {<NOUN>} }<DET>{",
        "NP: {<NOUN>}\nVP: {<VERB>}",
        "NP: {<NO UN(>}",
        "NP: {<[>}",
        "NP: {<NOUN>{3,1}}",
        "NP: {(?P<NOUN>x)}",
        "NP: {<NOUN>**}",
        "NP: {" + "<NOUN>" * 1000 + "}",
    ],
)
def test_what_cannot_be_read_is_an_error(grammar):
    with pytest.raises(GrammarError):
        Grammar(grammar)
