"""Stop words: words that say nothing about what a text is about.

The default is spaCy's list for the language. An artifact's parameters may replace the list or add
to it, and training may learn words from its corpus. Training writes the whole list it used into
the artifact, as `stop_words`.
"""

from __future__ import annotations

import math
import re
import string
from functools import cache
from typing import TYPE_CHECKING

from models.errors import ArtifactError, shorten
from models.language.source_files import NoSuchFileError, run_library_file

if TYPE_CHECKING:
    from collections.abc import Iterable

    from models.params import Params

LEARN = "learn_stop_words"
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
    extra = params.words("extra_stop_words") or frozenset()
    try:
        default = default_stop_words(language)
    except (NoSuchFileError, LookupError) as error:
        if chosen is None:
            raise ArtifactError(
                params.file,
                f"there are no stop words for language {shorten(language)} ({error});"
                " give a list as stop_words",
            ) from error
        default = frozenset()
    wanted = (default if chosen is None else chosen) | extra
    # Workers share the default as it is; a copy would take memory in each.
    return default if wanted == default else wanted


def learn_stop_words(
    params: Params, document_counts: Iterable[tuple[str, int]], n_documents: int
) -> frozenset[str]:
    """The words in more than a share of the documents, which `learn_stop_words` gives; or none.

    The parameter is a number above 0 and below 1, or `{"max_document_share": number}`;
    `document_counts` has for each word how many documents hold it. Raises ArtifactError.
    """
    given = params.values.get(LEARN)
    if given is None:
        return frozenset()
    most = _share(params, given) * n_documents
    return frozenset(word for word, count in document_counts if count > most)


def _share(params: Params, given: object) -> float:
    """The share that the parameter gives, checked."""
    share = given.get("max_document_share") if isinstance(given, dict) else given
    try:
        number = math.nan if isinstance(share, bool) else float(share)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not 0 < number < 1 or (isinstance(given, dict) and len(given) > 1):
        raise ArtifactError(
            params.file,
            f"{LEARN} is {shorten(given)}: it must be a number between 0 and 1,"
            ' or {"max_document_share": such a number}',
        )
    return number
