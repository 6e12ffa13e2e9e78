"""Pipelines: from a text to sentences of tokens with universal parts of speech.

Built in for the languages HanTa has a model for (spaCy's tokenizer and sentencizer, HanTa's
tagger), or an installed spaCy pipeline named by an artifact. One per process and name is kept, so a
process that forks workers can load them beforehand.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import spacy
from spacy.util import compile_infix_regex, is_package

from models.language.hanta_tagger import COMPONENT, MODEL_FILES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from spacy.language import Language

    TaggedSentences = list[list[tuple[str, str]]]

# spaCy's own limit is on memory its parser needs; callers limit the length of texts.
MAX_CHARS = 100_000_000
_PACKAGE_NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)


class NoPipelineError(LookupError):
    """There is no pipeline for this language or of this name; the message gives advice."""


def pipeline(language: str, installed: str | None = None) -> Language:
    """The pipeline `installed`, or the one built in for a language. Raises NoPipelineError."""
    return _installed(installed) if installed else built_in(language)


@cache
def built_in(language: str) -> Language:
    """SpaCy's tokenizer and sentencizer with HanTa's tagger."""
    if language not in MODEL_FILES:
        raise NoPipelineError(
            f"language {language[:20]!r} has no tagger here (there are {', '.join(MODEL_FILES)});"
            " name an installed spaCy pipeline as spacy_pipeline"
        )
    nlp = spacy.blank(language)
    _keep_hyphenated_words(nlp)
    nlp.add_pipe("sentencizer")
    nlp.add_pipe(COMPONENT)
    nlp.max_length = MAX_CHARS
    return nlp


@cache
def _installed(name: str) -> Language:
    # Only names of installed packages: spacy.load would also take a folder, and run its code.
    if not _PACKAGE_NAME.fullmatch(name) or not is_package(name):
        raise NoPipelineError(f"spacy_pipeline {name[:60]!r} is no installed spaCy pipeline")
    nlp = spacy.load(name)
    if "parser" not in nlp.pipe_names and "senter" not in nlp.pipe_names:
        nlp.add_pipe("sentencizer", first=True)
    nlp.max_length = MAX_CHARS
    return nlp


def tag(nlp: Language, text: str) -> TaggedSentences:
    """Sentences of (token, universal part of speech); spaces are no tokens."""
    return [
        [(token.text, token.pos_) for token in sentence if not token.is_space]
        for sentence in nlp(text).sents
    ]


def tokenize(nlp: Language, texts: Iterable[str]) -> Iterator[list[str]]:
    """The tokens of each text, untagged."""
    for doc in cast("Any", nlp.tokenizer).pipe(texts):
        yield [token.text for token in doc if not token.is_space]


def _keep_hyphenated_words(nlp: Language) -> None:
    """Let `long-term` be one word, as it is in a phrase; spaCy splits it in English."""
    infixes = nlp.Defaults.infixes or ()
    kept = [infix for infix in infixes if not re.search(infix, "long-term")]
    if len(kept) < len(infixes):
        cast("Any", nlp.tokenizer).infix_finditer = compile_infix_regex(kept).finditer
