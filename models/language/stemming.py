"""The stemmers of the languages that have one."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING

from models.language.english_stems import stem_english
from models.language.german_stems import stem_german
from models.language.source_files import run_library_file

if TYPE_CHECKING:
    from collections.abc import Callable

CACHED_WORDS = 20_000
LANGUAGES = ("de", "en")


@cache
def stemmer(language: str) -> Callable[[str], str]:
    """The stemmer of a language of LANGUAGES: Snowball for German, Porter's own for English."""
    if language == "de":
        return lru_cache(CACHED_WORDS)(stem_german)
    if language == "en":
        porter = run_library_file("gensim", "parsing/porter.py")["PorterStemmer"]()
        return lru_cache(CACHED_WORDS)(lambda word: str(porter.stem(word.lower())))
    raise LookupError(f"there are stems for {', '.join(LANGUAGES)}, not for {language!r}")


@cache
def pke_stemmer(language: str) -> Callable[[str], str]:
    """The stemmer pke has for a language of LANGUAGES; its English stems are NLTK's."""
    return lru_cache(CACHED_WORDS)(stem_english) if language == "en" else stemmer(language)
