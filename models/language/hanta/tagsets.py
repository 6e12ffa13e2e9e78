"""From the tags of HanTa's models to universal parts of speech (UD version 2).

German models tag with the Stuttgart-Tübingen tagset, English ones with that of the British National
Corpus (C5), Dutch ones with that of the Corpus Gesproken Nederlands.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

UNKNOWN = "X"
FOREIGN_RUN = 4
"""So many foreign words one after the other are a foreign phrase rather than names and loans."""

_GERMAN = {
    "ADJ": ("ADJ(A)", "ADJ(D)"),
    "ADP": ("APPO", "APPR", "APPRART", "PTKVZ"),
    "ADV": ("ADV", "APZR", "PROAV", "PTKA", "PWAV"),
    "AUX": ("VA(FIN)", "VA(IMP)", "VA(INF)", "VA(PP)", "VM(FIN)", "VM(INF)", "VM(PP)"),
    "CCONJ": ("KOKOM", "KON"),
    "DET": ("ART", "PDAT", "PIAT", "PIDAT", "PPOSAT", "PWAT"),
    "INTJ": ("ITJ",),
    "NOUN": ("FM", "NN", "NNA", "NNI"),  # FM, foreign material, is mostly nouns
    "NUM": ("CARD",),
    "PART": ("PTKANT", "PTKNEG", "PTKZU"),
    "PRON": ("PDS", "PIS", "PPER", "PPOSS", "PRELAT", "PRELS", "PRF", "PWS"),
    "PROPN": ("NE",),
    "PUNCT": ("$(", "$,", "$."),
    "SCONJ": ("KOUI", "KOUS"),
    "VERB": ("VV(FIN)", "VV(IMP)", "VV(INF)", "VV(IZU)", "VV(PP)"),
    "X": ("TRUNC", "XY"),
}
_ENGLISH = {
    "ADJ": ("AJ0", "AJC", "AJS", "ORD"),
    "ADP": ("AVP", "IN", "PRF", "PRP"),
    "ADV": ("AV0", "AVQ"),
    "AUX": ("VBB", "VBD", "VBG", "VBI", "VBN", "VBZ", "VM0"),
    "CCONJ": ("CJC",),
    "DET": ("AT0", "DPS", "DT0", "DTQ"),
    "INTJ": ("ITJ",),
    "NOUN": ("NN", "NN0", "NN1", "NN2"),
    "NUM": ("CRD",),
    "PART": ("POS", "TO0", "XX0"),
    "PRON": ("EX0", "PNI", "PNP", "PNQ"),
    "PROPN": ("NP0",),
    "PUNCT": ("!!!", "PUL", "PUN", "PUQ", "PUR"),
    "SCONJ": ("CJS", "CJT"),
    "VERB": (
        *("VDB", "VDD", "VDG", "VDI", "VDN", "VDZ", "VHB", "VHD", "VHG", "VHI", "VHN", "VHZ"),
        *("VVB", "VVD", "VVG", "VVI", "VVN", "VVZ"),
    ),
    "X": ("UNC", "ZZ0"),
}
# A Dutch tag is a class with features in brackets; the first entry that the tag begins with counts.
_DUTCH = (
    ("N(eigen", "PROPN"),
    ("N(", "NOUN"),
    ("ADJ(", "ADJ"),
    ("BW(", "ADV"),
    ("LET(", "PUNCT"),
    ("LID(", "DET"),
    ("TSW(", "INTJ"),
    ("TW(rang", "ADJ"),
    ("TW(", "NUM"),
    ("VG(neven", "CCONJ"),
    ("VG(onder", "SCONJ"),
    ("VNW(aanw,adv", "ADV"),
    ("VNW(onbep,adv", "ADV"),
    ("VNW(vb,adv", "ADV"),
    ("VNW(bez", "PRON"),
    ("VNW(aanw,det,stan,prenom", "DET"),
    ("VNW(onbep,det,stan,prenom", "DET"),
    ("VNW(", "PRON"),
    ("VZ(", "ADP"),
    ("WW(", "VERB"),
    ("SPEC(symb", "SYM"),
)
_EXACT = {
    "de": {tag: upos for upos, tags in _GERMAN.items() for tag in tags},
    "en": {tag: upos for upos, tags in _ENGLISH.items() for tag in tags},
}


# Words whose universal part of speech differs from that of most words with the same tag. A verb's
# particle is an adposition only if the word is one; "ander-", "all-" and "dies-" are determiners.
_WORDS = {
    ("de", "APPR", "als"): "CCONJ",
    ("de", "ADV", "bis"): "ADP",
    **{
        ("de", "PTKVZ", word): "ADV"
        for word in (
            *("da", "dar", "davon", "ein", "einher", "empor", "fest", "fort", "frei", "her", "hin"),
            *("heraus", "herum", "hervor", "hinaus", "hinzu", "nieder", "teil", "übrig"),
            *("vorbei", "voraus", "weg", "weiter", "wieder", "zurück", "zusammen", "überein"),
        )
    },
    **{
        ("de", "ADJ(A)", f"{stem}{ending}"): "DET"
        for stem in ("ander", "selb")
        for ending in ("e", "en", "er", "es", "em")
    },
    **{
        ("de", tag, f"{stem}{ending}"): "DET"
        for tag, stem in (("PIS", "all"), ("PIS", "ein"), ("PDS", "dies"))
        for ending in ("", "e", "en", "er", "es", "em")
    },
}


_FOREIGN = {"de": "FM"}
# Of a foreign phrase in a German text the words that are no nouns in English.
_ENGLISH_WORDS = {
    word: upos
    for upos, words in {
        "ADP": "about at by for from in of on with",
        "ADV": "here how now there when where why",
        "AUX": "am are be been can could did do does had has have is should was were will would",
        "CCONJ": "and but or",
        "DET": "a an the",
        "PART": "n't not to",
        "PRON": "he her his i it its me my our she that them they this us we what who you your",
    }.items()
    for word in words.split()
}
# `A380`, `B.1.1.7`: a name, though to the models it is a number or nothing they know.
_NAME_WITH_DIGITS = re.compile(r"[A-ZÄÖÜ][A-ZÄÖÜ.-]*\d[\w.-]*")


def refined(
    language: str, words: Sequence[str], tags: Sequence[str], found: list[str]
) -> list[str]:
    """The parts of speech of a sentence's words, as the whole sentence has them.

    The words of a foreign phrase are no nouns: X, if they are not of the commonest English ones.
    Names with digits are PROPN. Changes `found`.
    """
    foreign = _FOREIGN.get(language)
    if foreign is None:
        return found
    if tags.count(foreign) >= FOREIGN_RUN:
        places = [place for place, upos in enumerate(found) if upos != "PUNCT"]
        for is_foreign, run in groupby(places, lambda place: tags[place] == foreign):
            phrase = list(run)
            if is_foreign and len(phrase) >= FOREIGN_RUN:
                for place in phrase:
                    found[place] = _ENGLISH_WORDS.get(words[place].lower(), UNKNOWN)
    for place, upos in enumerate(found):
        if upos in ("NUM", UNKNOWN) and _NAME_WITH_DIGITS.fullmatch(words[place]):
            found[place] = "PROPN"
    return found


def to_upos(language: str, word: str, tag: str) -> str:
    """The universal part of speech of a word with a model's tag; X for a tag it does not know.

    A word without letters and digits is PUNCT or SYM, whatever its tag.
    """
    if not (word.isalpha() or any(map(str.isalnum, word))):
        return _of_signs(word)
    if found := _WORDS.get((language, tag, word.lower())):
        return found
    if language in _EXACT:
        return _EXACT[language].get(tag, UNKNOWN)
    if language == "nl":
        return next((upos for start, upos in _DUTCH if tag.startswith(start)), UNKNOWN)
    return UNKNOWN


def _of_signs(word: str) -> str:
    # A percent sign is punctuation to Unicode, a backtick (half a quotation mark) a symbol.
    signs = word.strip("`\u00b4")
    is_symbol = any(sign in "%‰°§" or unicodedata.category(sign)[0] == "S" for sign in signs)
    return "SYM" if is_symbol else "PUNCT"
