"""The cases of the oracle: which texts, by which parameters, against which topic model.

Chosen to cover what differs between implementations: windows, stems, grammars, graph tags, stop
lists, words the topics do not know, repeated and equal words, pieces of words, odd sentences. Where
pke fails, `ours` has the phrases that are right.
"""

from __future__ import annotations

from typing import Any


def nouns(*words: str) -> list[tuple[str, str]]:
    """A sentence of nouns."""
    return [(word, "NOUN") for word in words]


STRAY = [
    [("Die", "DET"), ("neue", "ADJ"), ("Steuer", "NOUN"), ("auf", "ADP"), ("Strom", "NOUN"),
     ("kommt", "VERB"), (".", "PUNCT")],
    [(".", "PUNCT"), (",", "PUNCT")],
    [("Strom", "NOUN")],
    [("NEUE", "ADJ"), ("STEUER", "NOUN"), ("und", "CCONJ"), ("neuer", "ADJ"), ("Strom", "NOUN"),
     (",", "PUNCT"), ("alter", "ADJ"), ("Strom", "NOUN")],
]  # fmt: skip
# The shape of the document that pke's own tests use: nouns before nouns, and words that come back.
EXCHANGE = [
    [("Rare", "ADJ"), ("problems", "NOUN"), ("for", "ADP"), ("a", "DET"), ("rare", "ADJ"),
     ("vaccine", "NOUN"), ("exchange", "NOUN"), ("in", "ADP"), ("a", "DET"), ("vaccine", "NOUN"),
     ("exchanger", "NOUN"), (".", "PUNCT")],
    [("Vaccine", "NOUN"), ("exchange", "NOUN"), ("is", "AUX"), ("considered", "VERB"),
     (",", "PUNCT"), ("two", "NUM"), ("rare", "ADJ"), ("problems", "NOUN"), ("are", "AUX"),
     ("solved", "VERB"), (".", "PUNCT")],
]  # fmt: skip
WORDY = [
    [("CO2-Steuer", "NOUN"), ("E-Auto", "NOUN"), ("97-prozentige", "ADJ"), ("Wirkung", "NOUN"),
     ("Impfstoff-Mikrochip", "NOUN"), ("5G", "PROPN"), ("a", "NOUN"), ("Impfung", "NOUN")],
]  # fmt: skip
MANY = ["fc-031", "fc-033", "fc-035", "fc-038", "fc-048", "fc-054"]

CASES: dict[str, dict[str, Any]] = {
    "one claim": {"topics": "de", "texts": ["fc-001"]},
    "six claims": {"topics": "de", "texts": MANY},
    "neighbours only": {"topics": "de", "texts": MANY, "params": {"window": 2}},
    "a narrow window": {"topics": "de", "texts": ["fc-121"], "params": {"window": 3}},
    "a window across sentences": {"topics": "de", "texts": ["fc-121"], "params": {"window": 40}},
    "means of a phrase's words": {"topics": "de", "texts": MANY, "params": {"normalized": True}},
    "German stems": {
        "topics": "de-stems", "texts": MANY, "params": {"normalization": "stemming"},
    },
    "German stems of another text": {
        "topics": "de-stems", "texts": ["fc-091", "fc-096"],
        "params": {"normalization": "stemming", "window": 5},
    },
    "English stems": {
        "topics": "en-stems", "texts": ["en-001", "en-018", "en-050"],
        "params": {"normalization": "stemming"},
    },
    "English words against stems": {"topics": "en-stems", "texts": ["en-016", "en-022"]},
    "no stop words": {"topics": "de", "texts": ["fc-082"], "params": {"stop_words": []}},
    "a stop word that the topics know": {
        "topics": "de", "texts": ["fc-035"], "params": {"stop_words": ["impfstoff", "dna"]},
    },
    "nouns only": {
        "topics": "de", "texts": ["fc-105"], "params": {"grammar": "NP: {<NOUN|PROPN>+}"},
    },
    "exactly an adjective and a noun": {
        "topics": "de", "texts": MANY, "params": {"grammar": "NP: {<ADJ><NOUN>}"},
    },
    "a grammar of two rules": {
        "topics": "de", "texts": ["fc-061", "fc-063"],
        "params": {"grammar": "NP:\n {<ADJ><NOUN>}\n {<NOUN|PROPN>}"},
    },
    "a grammar with counts": {
        "topics": "de", "sentences": [nouns("Strom", "Steuer", "Kosten", "Gesetz"), *STRAY],
        "params": {"grammar": "NP: {<NOUN>{2,3}}"},
    },
    "a grammar with patterns in tags": {
        "topics": "de", "texts": ["fc-131"], "params": {"grammar": "NP: {<ADJ.*>*<N.*|PROPN>+}"},
    },
    "phrases with prepositions": {
        "topics": "de", "texts": ["fc-151"],
        "params": {"grammar": "NP: {<NOUN><ADP><NOUN>|<NOUN>}", "pos": ["NOUN", "ADP"]},
    },
    "a graph of verbs too": {
        "topics": "de", "texts": ["fc-239"], "params": {"pos": ["ADJ", "NOUN", "PROPN", "VERB"]},
    },
    "odd sentences": {"topics": "de", "sentences": STRAY},
    "odd sentences, stemmed": {
        "topics": "de-stems", "sentences": STRAY, "params": {"normalization": "stemming"},
    },
    "nouns before nouns that come back": {
        "topics": "en-stems", "sentences": EXCHANGE,
        "params": {"normalization": "stemming", "window": 4},
    },
    "words of several pieces": {"topics": "de", "sentences": WORDY},
    "one word many times": {
        "topics": "de", "sentences": [nouns(*["Impfung"] * 30, "Strom"), nouns("Strom", "Impfung")],
        "params": {"window": 3},
    },
    "words without neighbours": {
        "topics": "de", "sentences": [
            [("Impfung", "NOUN"), *[("und", "CCONJ")] * 12, ("Strom", "NOUN"),
             *[("oder", "CCONJ")] * 12, ("Klima", "NOUN")]
        ],
    },
    "a single known word": {"topics": "de", "sentences": [nouns("Impfung", "Qux", "Quux")]},
    "no known word": {"topics": "de", "sentences": [nouns("Qux", "Quux")], "ours": ["qux quux"]},
    "a phrase with a word outside the graph": {
        "topics": "de", "sentences": [[("Steuer", "NOUN"), ("auf", "ADP"), ("Strom", "NOUN")]],
        "params": {"grammar": "NP: {<NOUN><ADP><NOUN>}"}, "ours": ["steuer auf strom"],
    },
    "two rules on one line": {
        "topics": "de", "sentences": [[("Impfung", "NOUN"), ("gilt", "VERB")]],
        "params": {"grammar": "NP: {<NOUN>} {<VERB>}"}, "ours": ["impfung", "gilt"],
    },
    "no phrase": {"topics": "de", "sentences": [[("geht", "VERB"), ("schnell", "ADV")]]},
}  # fmt: skip

SIMILARITY_STOP_WORDS = ["der", "die", "das", "und", "ein", "eine", "in", "im", "nicht", "mit",
                         "von", "auf", "wird", "sei", "den", "dem", "des"]  # fmt: skip
# Ids of fact-checks or texts.
PAIRS = [
    ("fc-031", "fc-033"), ("fc-031", "fc-032"), ("fc-031", "fc-340"), ("fc-002", "fc-003"),
    ("fc-082", "fc-084"), ("fc-121", "fc-124"), ("fc-271", "fc-277"), ("fc-271", "fc-241"),
    ("fc-031", "fc-031"),
    ("Der Impfstoff wirkt", "Die Impfung wirkt"),
    ("IMPFSTOFF!", "impfstoff"),
    ("Strom, Strom und nochmals Strom", "Strom"),
    ("Strom aus Wind", "Wind aus Strom"),
    ("Der und die", "Strom"),
    ("Xyzzy", "Strom"),
    ("", "Strom"),
    ("123 456", "Strom"),
    ("Bundesverfassungsgericht", "Strom"),
    ("Das Bundesverfassungsgericht und der Strom", "Menschen und Strom"),
    ("Xyzzy, Strom und Quux", "Menschen"),
    ("Behauptung", "Belege"),
    ("In Videos heißt es, die Regierung plane ein Verbot.", "Ein Verbot gibt es nicht."),
]  # fmt: skip
# Words whose stems differ between versions of the algorithms.
HARD_TO_STEM = {
    "de": """Bürgerinnen Häuser Frauen Maßnahmen Quellen Mauern Treuen Eier Neuauflage Yacht
        Wirkungslosigkeit kindisch Freiheiten Ergebnissen Äußerung Größe Gesetzes""",
    "en": """skies dying lying ties news innings dies died tied exceed proceed ice iced eye age ages
        are one pay plays money day away dry flying cry easily formally hopefully essentially
        psychology biologically caresses ponies agreed feed hopping falling failing filing sized
        controlled rolling vietnamization sensitivity adjustment adoption relational conditional
        electrical goodness revival defensible probate rate cease as is by y Why OWED""",
}
