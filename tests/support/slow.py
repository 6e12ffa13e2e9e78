"""A request that takes its time, however fast the models become: words nobody has seen before."""

from __future__ import annotations

import random

WORDS_A_SENTENCE = 12


def slow_text(words: int = 30_000) -> str:
    """A text for TopicalPageRank, of some seconds; a tenth of a millisecond a word."""
    chosen = random.Random(1)  # noqa: S311 - any words will do
    made = ("".join(chosen.choices("abdeginorstu", k=12)) for _ in range(words))
    return " ".join(
        f"{word}." if number % WORDS_A_SENTENCE == 0 else word for number, word in enumerate(made)
    )
