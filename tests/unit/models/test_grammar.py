"""Grammars of candidate phrases."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.TopicalPageRank.grammar import Grammar, GrammarError
from models.TopicalPageRank.tag_patterns import Budget, TooManySteps


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
        "NP: {<NOUN>?+}",
        "NP: {()<NOUN>*}",
        "NP: {((<NOUN>{999}){999}){999}}",
        "NP: {((((){999}){999}){999}){999}<NOUN>}",
        "NP: {" + "(" * 400 + "<A>" + ")" * 400 + "}",
        "NP: {<" + ".*" * 200 + "X>}",
        "NP: {" + "<NOUN>" * 1000 + "}",
    ],
)
def test_what_cannot_be_read_is_an_error(grammar):
    with pytest.raises(GrammarError):
        Grammar(grammar)


# Rules over tags of one letter, which `re` can match as they are.
RULES = st.recursive(
    st.sampled_from(["<A>", "<B>", "<A|C>", "<.>"]),
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=4).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"({'|'.join(parts)})"),
        st.tuples(
            inner, st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "{2,}", "{,2}", "*?", "+?"])
        ).map(lambda pair: f"({pair[0]}){pair[1]}"),
    ),
    max_leaves=8,
)


@settings(max_examples=400, deadline=None)
@given(RULES, st.text("ABC", max_size=12))
def test_matches_are_those_of_a_regular_expression(rule, tags):
    plain = re.compile(re.sub(r"<([^>]+)>", r"(?:\1)", rule))
    if plain.fullmatch(""):
        with pytest.raises(GrammarError):
            Grammar(f"NP: {{{rule}}}")
        return
    expected = [match.span() for match in plain.finditer(tags) if match.end() > match.start()]
    assert Grammar(f"NP: {{{rule}}}").spans(list(tags)) == expected


HOSTILE = ["(<A>*)*<B>", "(<A>|<A>)*<B>", "(<A>?){30}<A>{30}", "((<A>+)+)+<B>", "(<A>*<A>*)*<B>"]


@pytest.mark.parametrize("rule", HOSTILE)
def test_a_rule_made_to_take_for_ever_does_not(rule):
    found = Grammar(f"NP: {{{rule}}}").spans(["A"] * 300)
    assert found == (
        [(0, 60), (60, 120), (120, 180), (180, 240), (240, 300)] if "30" in rule else []
    )


def test_a_text_that_takes_too_many_steps_is_given_up():
    grammar = Grammar("NP: {<ADJ>*<NOUN>}")
    with pytest.raises(TooManySteps):
        grammar.spans(["ADJ"] * 100_000, Budget(100_000))
    assert grammar.spans(["ADJ", "NOUN"] * 100, Budget(1000))
