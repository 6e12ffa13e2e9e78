"""Passages: a document cut into what an encoder takes at once.

A vector of a long text says what the text is about on the whole, that of a few sentences what they
say. A document has both: first itself as a whole, then, if it is longer than one, its passages.
"""

from __future__ import annotations

import re

PASSAGE_CHARS = 350
"""About so long is a passage, in whole sentences."""
LONGEST_SENTENCE_CHARS = 1000
"""Longer sentences are cut."""
MOST_PASSAGES = 64
"""Of a longer document only so many at its beginning are taken, and so is its whole."""
_BETWEEN_SENTENCES = re.compile(r"(?<=[.!?])\s+")


def passages_of(title: str, text: str) -> list[str]:
    """The document as a whole, then its passages, each under the title; never empty."""
    cut = _passages(text)
    whole = _under(title, " ".join(cut))
    return [whole, *(_under(title, passage) for passage in cut)] if len(cut) > 1 else [whole]


def _passages(text: str) -> list[str]:
    found: list[str] = []
    current = ""
    text = text[: MOST_PASSAGES * LONGEST_SENTENCE_CHARS]
    for sentence in _BETWEEN_SENTENCES.split(text.strip()):
        for start in range(0, len(sentence), LONGEST_SENTENCE_CHARS):
            part = sentence[start : start + LONGEST_SENTENCE_CHARS]
            if current and len(current) + len(part) > PASSAGE_CHARS:
                found.append(current)
                current = part
            else:
                current = f"{current} {part}".strip()
    found.append(current)
    return found[:MOST_PASSAGES]


def _under(title: str, text: str) -> str:
    return f"{title}. {text}" if title and text else title or text
