"""Passages: a document cut into what an encoder takes at once: a few sentences each."""

from __future__ import annotations

from models.text.sentences import split_sentences

PASSAGE_CHARS = 350
"""About so long is a passage, in whole sentences."""
LONGEST_SENTENCE_CHARS = 1000
"""Longer sentences are cut."""
MOST_PASSAGES = 64
"""Of a longer document only so many at its beginning are taken."""


def passages_of(title: str, text: str) -> list[str]:
    """The passages of a document, each under its title; never empty."""
    found: list[str] = []
    current = ""
    text = text[: MOST_PASSAGES * LONGEST_SENTENCE_CHARS]
    for sentence in split_sentences(text.strip()):
        for start in range(0, len(sentence), LONGEST_SENTENCE_CHARS):
            part = sentence[start : start + LONGEST_SENTENCE_CHARS]
            if current and len(current) + len(part) > PASSAGE_CHARS:
                found.append(current)
                current = part
            else:
                current = f"{current} {part}".strip()
    found.append(current)
    title = title[:LONGEST_SENTENCE_CHARS]
    return [_under(title, passage) for passage in found[:MOST_PASSAGES]]


def _under(title: str, text: str) -> str:
    return f"{title}. {text}" if title and text else title or text
