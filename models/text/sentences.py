"""A text cut into sentences, where it only matters that a part is whole and says something.

Cuts behind full stops, question and exclamation marks that a blank follows, so also behind some
abbreviations. Where tags are needed, `models.language.pipelines` splits instead.
"""

from __future__ import annotations

import re

_BETWEEN = re.compile(r"(?<=[.!?])\s+")


def split_sentences(text: str) -> list[str]:
    """The sentences in order; the text itself if there is no place to cut."""
    return _BETWEEN.split(text)
