"""Cleaning: from a text as it came to the words in it.

Invisible characters inside words, markup, and letters written as letter and mark all make one word
look like another. `clean` takes care of the three; what words are is left to the families, markup
to `markup`. A text with nothing to clean comes back as the same object.
"""

from __future__ import annotations

import re
import unicodedata

from models.language.normal_forms import normal_form
from models.text.markup import without_markup

# Arabic to Mongolian and the scripts of South and East Asia: there a joiner, or its opposite, is
# part of how a word is written, and a space of no width may be all that stands between words.
_SHAPED = "\u0600-\u1cff\ua800-\uabff\U00010a00-\U00011fff"
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
_EMOJI = "\u2190-\u2bff\ufe0f\U0001f000-\U0001faff"
_SUSPECTS = (
    r"\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"
)
_INVISIBLE = re.compile(
    rf"(?=[{_SUSPECTS}])(?:"  # most characters are none of them: looked at once, not seven times
    + "|".join(
        (
            # The rest of a word that is broken at a soft hyphen stands on the next line.
            r"\u00ad+(?:[ \t]{0,9}\r?\n[ \t]{0,9})?",
            rf"(?<![{_UNSPACED}])\u200b",
            rf"(?<![{_SHAPED}])\u200c",
            # One emoji may be made of several: 👩‍🔬.
            rf"(?<![{_SHAPED}{_EMOJI}])\u200d",
            rf"(?<=[{_EMOJI}])\u200d(?![{_EMOJI}])",
            # Marks and brackets of direction, joiners of words, byte-order marks, hidden tags.
            r"[\u061c\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]",
            r"[\U000e0000-\U000e007f]",
        )
    )
    + ")"
)
# All but letters that Latin scripts need, dashes, quotation marks, the ellipsis and the euro.
_UNUSUAL = re.compile(r"[^\0-\u009f\u00a1-\u00ac\u00ae-\u02ff\u2010-\u2027\u20ac]")
# `CO₂` is `CO2` to whoever searches for it, and a font's `ﬁ` is two letters.
_SUBSCRIPTS = "\u2080\u2081\u2082\u2083\u2084\u2085\u2086\u2087\u2088\u2089"
_LIGATURES = "\ufb00-\ufb06"
_SPELT = re.compile(f"[{_SUBSCRIPTS}{_LIGATURES}]")
_HARD_SPACES = "\u00a0\u2007\u202f"


def clean(text: str) -> str:
    """The text without markup and invisible characters, in Unicode's composed form (NFC).

    Ligatures are spelt out, subscript digits are digits, hard spaces are spaces.
    Takes time in proportion to the text, whatever it is. Entities become the characters they stand
    for after tags are gone, so what an entity gives is never taken for a tag.
    """
    if "<" in text or "&" in text:
        text = without_markup(text)
    if text.isascii() or not _UNUSUAL.search(text):
        return text
    text = _SPELT.sub(_spelt, _INVISIBLE.sub("", text))
    for space in _HARD_SPACES:
        text = text.replace(space, " ")
    return normal_form("NFC", text)


def _spelt(found: re.Match[str]) -> str:
    return unicodedata.normalize("NFKC", found[0])
