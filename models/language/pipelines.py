"""Pipelines: from a text to sentences of tokens with universal parts of speech.

The pipeline is the first there is of these: the installed spaCy pipeline that the artifact names;
one of spaCy's own for the language, if it is installed (`official`); the built-in one, for a
language of which HanTa has a model (spaCy's tokenizer and sentencizer, HanTa's tagger). A process
keeps each pipeline it has loaded, so a process that forks workers can load them beforehand.
"""

from __future__ import annotations

import logging
import re
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, cast

import spacy

from models.language.hanta.tagger import COMPONENT, MODEL_FILES
from models.language.hanta.tagsets import refined
from models.language.tokens import blank, may_keep_words, renew, tokens_of
from models.language.whole_words import whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from spacy.language import Language
    from spacy.tokens import Token

    TaggedSentences = list[list[tuple[str, str]]]

# spaCy's default limit is for the memory of its parser; here callers limit the length of texts.
MAX_CHARS = 100_000_000
# spaCy's pipelines for a language, by corpus and size. The small ones come first: all sizes tag
# about equally well, and the others bring word vectors, which only cost memory here.
CORPORA, SIZES = ("news", "web"), ("sm", "md", "lg")
NOT_NEEDED = ("ner", "lemmatizer", "textcat", "entity_linker")
"""Components that take time and say nothing about parts of speech or sentences."""
TAGGING = ("morphologizer", "attribute_ruler", "tagger")

log = logging.getLogger(__name__)

_PACKAGE_NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)


class NoPipelineError(LookupError):
    """There is no pipeline for this language or of this name; the message gives advice."""


def pipeline(language: str, installed: str | None = None) -> Language:
    """The pipeline `installed` if one is named, else the best for a language.

    Raises NoPipelineError.
    """
    if installed:
        return _installed(installed)
    return official(language) or built_in(language)


def pipeline_key(language: str, installed: str | None = None) -> str:
    """What names a pipeline before it is loaded: `de`, or `de=PACKAGE` for an installed one."""
    return language if installed is None else f"{language}={installed}"


def split_key(key: str) -> tuple[str, str | None]:
    """The language and the installed pipeline of a key, as `pipeline` takes them."""
    language, is_named, installed = key.rpartition("=")
    return (language, installed) if is_named else (key, None)


def name_of(nlp: Language) -> str:
    """What a pipeline is called in answers: package and version, or `built-in` and language."""
    if nlp.has_pipe(COMPONENT):
        return f"built-in {nlp.lang}"
    return f"{nlp.meta['lang']}_{nlp.meta['name']} {nlp.meta['version']}"


@cache
def official(language: str) -> Language | None:
    """The smallest of spaCy's own pipelines for a language that is installed and works, if any.

    A package counts only if it declares itself a pipeline: other packages may have the same names.
    """
    names = [f"{language}_core_{corpus}_{size}" for size in SIZES for corpus in CORPORA]
    there = _installed_names()
    for name in names:
        if name in there:
            try:
                nlp = _load(name, disable=NOT_NEEDED)
            except (OSError, ValueError, ImportError, AttributeError) as error:
                log.warning("cannot load the installed pipeline %s: %s", name, error)
                continue
            if nlp.lang == language and any(nlp.has_pipe(part) for part in TAGGING):
                return nlp
            log.warning("the installed pipeline %s does not tag %s", name, language)
    return None


@cache
def built_in(language: str) -> Language:
    """SpaCy's tokenizer and sentencizer with HanTa's tagger."""
    if language not in MODEL_FILES:
        raise NoPipelineError(
            f"language {language[:20]!r} has no tagger here (there are {', '.join(MODEL_FILES)});"
            " name an installed spaCy pipeline as spacy_pipeline"
        )
    nlp = blank(language)
    nlp.add_pipe("sentencizer")
    nlp.add_pipe(COMPONENT)
    nlp.max_length = MAX_CHARS
    return nlp


@cache
def _installed(name: str) -> Language:
    # Only what says that it is one: spacy.load would also take a folder, or any package, and run
    # its code.
    if not _PACKAGE_NAME.fullmatch(name) or name not in _installed_names():
        raise NoPipelineError(f"spacy_pipeline {name[:60]!r} is no installed spaCy pipeline")
    return _load(name)


def _installed_names() -> set[str]:
    """The packages that declare themselves pipelines, by an entry point `spacy_models`."""
    return {point.name for point in entry_points(group="spacy_models")}


def _load(name: str, disable: Sequence[str] = ()) -> Language:
    nlp = spacy.load(name, disable=disable)
    if "parser" not in nlp.pipe_names and "senter" not in nlp.pipe_names:
        nlp.add_pipe("sentencizer", first=True)
    nlp.max_length = MAX_CHARS
    return nlp


def tag(nlp: Language, text: str, *, whole_words: bool = True) -> TaggedSentences:
    """Sentences of (token, universal part of speech); spaces are no tokens.

    Nothing is kept of the text, but for some words. Without `whole_words` tokens are spaCy's own,
    and foreign words are nouns however many there are.
    """
    if nlp.has_pipe(COMPONENT):
        sentences = _tag(nlp, text, whole_words=whole_words)
        renew(nlp)
        return sentences
    if may_keep_words(nlp, text):
        return _tag(nlp, text, whole_words=whole_words)
    with nlp.memory_zone():
        return _tag(nlp, text, whole_words=whole_words)


def _tag(nlp: Language, text: str, *, whole_words: bool) -> TaggedSentences:
    doc = tokens_of(nlp, text)
    doc = nlp(whole(doc, nlp.lang or "") if whole_words else doc)
    sentences = [[token for token in each if not token.is_space] for each in doc.sents]
    if whole_words and nlp.has_pipe(COMPONENT):
        return [_refined(nlp.lang or "", tokens) for tokens in sentences]
    return [[(token.text, token.pos_) for token in tokens] for tokens in sentences]


def _refined(language: str, tokens: Sequence[Token]) -> list[tuple[str, str]]:
    """The tokens with their parts of speech as the whole sentence has them."""
    words, tags = [token.text for token in tokens], [token.tag_ for token in tokens]
    found = refined(language, words, tags, [token.pos_ for token in tokens])
    return list(zip(words, found, strict=True))


def tokenize(
    nlp: Language, texts: Iterable[str], *, whole_words: bool = True
) -> Iterator[list[str]]:
    """The tokens of each text, untagged; `whole_words` as in `tag`."""
    for doc in cast("Any", nlp.tokenizer).pipe(texts):
        tokens = whole(doc, nlp.lang or "") if whole_words else doc
        yield [token.text for token in tokens if not token.is_space]
