"""Unicode's normal forms in time that grows with the text alone.

Normalising sorts each run of combining marks, in time that grows with the square of the run: two
million marks on one letter would take hours. So longer runs are cut first, as Unicode's
Stream-Safe Text Format does it (UAX #15): by U+034F after each 30 marks. No language has letters
of so many marks, and all other text comes out as without.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

LONGEST_RUN = 30
JOINER = "\u034f"
"""The combining grapheme joiner: it is no mark to sort, invisible, and part of no word."""
_FIRST_MARK, _AFTER_MARKS = 0x300, 0x1F000


def normal_form(form: Literal["NFC", "NFD", "NFKC"], text: str) -> str:
    """The text in a normal form."""
    if not text.isascii() and _MAY_BE_MARKS.search(text):
        text = _TOO_MANY.sub(rf"\g<0>{JOINER}", text)
    return unicodedata.normalize(form, text)


def _is_mark(character: str) -> bool:
    """Whether what a character is made of begins with a mark that is sorted."""
    return unicodedata.combining(unicodedata.normalize("NFKD", character)[0]) > 0


_MARKS = "".join(filter(_is_mark, map(chr, range(_FIRST_MARK, _AFTER_MARKS))))
_TOO_MANY = re.compile(f"[{_MARKS}]{{{LONGEST_RUN}}}(?=[{_MARKS}])")
# Looks for what is neither Latin, Chinese nor Korean, in a twentieth of the other's time.
_MAY_BE_MARKS = re.compile(f"[^\0-\u02ff\u3400-\u9fff\uac00-\ud7ff]{{{LONGEST_RUN + 1}}}")
