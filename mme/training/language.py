"""Guessing the language of a corpus whose language nobody told, by its stop words."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from models.errors import CorpusError
from models.language.stop_words import default_stop_words
from models.tables import recognise

if TYPE_CHECKING:
    from pathlib import Path

    from models.tables import Told

LANGUAGES = ("de", "en", "nl", "fr", "es", "it", "pt", "pl", "sv", "da")
LOOKED_AT_BYTES = 512 * 1024
FEWEST_WORDS, LEAST_SHARE, CLEARLY = 30, 0.15, 1.5
WORD = re.compile(r"[^\W\d_]+")


def guess_language(corpus: Path, told: Told | None = None) -> str | None:
    """The language whose stop words are most of the first texts; None if that is not clear."""
    try:
        form = recognise(corpus, (), told, is_said=False)
        with corpus.open("rb") as file:
            text = file.read(LOOKED_AT_BYTES).decode(form.encoding, "ignore").lower()
    except (CorpusError, OSError):
        return None  # whoever reads it will say why
    counts = Counter(WORD.findall(text))
    shares = sorted(
        (
            sum(counts[word] for word in default_stop_words(language)) / max(counts.total(), 1),
            language,
        )
        for language in LANGUAGES
    )
    (second, _), (best, language) = shares[-2:]
    is_clear = counts.total() >= FEWEST_WORDS and best >= max(LEAST_SHARE, CLEARLY * second)
    return language if is_clear else None
