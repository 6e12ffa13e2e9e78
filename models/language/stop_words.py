"""Stop words: words that say nothing about what a text is about.

spaCy's lists by default; an artifact's parameters may replace the list or add to it.
"""

from __future__ import annotations

import re
import string
from functools import cache
from typing import TYPE_CHECKING

from models.errors import ArtifactError, shorten
from models.language.source_files import NoSuchFileError, run_library_file

if TYPE_CHECKING:
    from models.params import Params

_LANGUAGE_CODE = re.compile(r"[a-z]{2,3}", re.ASCII)


@cache
def default_stop_words(language: str) -> frozenset[str]:
    """SpaCy's list for a language and the ASCII punctuation; LookupError if it has none."""
    if not _LANGUAGE_CODE.fullmatch(language):
        raise LookupError(f"{shorten(language, 20)} is no language code such as de")
    names = run_library_file("spacy", f"lang/{language}/stop_words.py")
    return frozenset(names["STOP_WORDS"]) | frozenset(string.punctuation)


def stop_list(params: Params, language: str) -> frozenset[str]:
    """The stop words an artifact asks for: `stop_words` or the default, and `extra_stop_words`.

    Raises ArtifactError where neither the parameters nor spaCy has a list for the language.
    """
    chosen = params.words("stop_words")
    if chosen is None:
        try:
            chosen = default_stop_words(language)
        except (NoSuchFileError, LookupError) as error:
            raise ArtifactError(
                params.file,
                f"there are no stop words for language {shorten(language)} ({error});"
                " give a list as stop_words",
            ) from error
    extra = params.words("extra_stop_words")
    # The default is shared by all workers as it is: a copy would be each one's own.
    return chosen | extra if extra else chosen
