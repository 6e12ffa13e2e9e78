"""Parts of speech by HanTa's models (Wartena 2019), as a component of a spaCy pipeline.

It sets `pos_` (universal) and `tag_` (the model's own). The library HanTa contains and reads the
models; `words` and `sentences` find the same tags as the library. The text must already be split
into sentences: `pipelines` puts spaCy's sentencizer before this component.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from spacy.language import Language

from models.language.hanta.reading import read_model
from models.language.hanta.sentences import best_tags
from models.language.hanta.tagsets import UNKNOWN, to_upos
from models.language.hanta.words import Words
from models.language.source_files import library_folder
from models.language.whole_words import TAGGED_AS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from spacy.tokens import Doc, Token

COMPONENT = "hanta_tagger"
MODEL_FILES = {"de": "morphmodel_ger.pgz", "en": "morphmodel_en.pgz", "nl": "morphmodel_dutch.pgz"}
"""The languages that can be tagged, and HanTa's model for each."""

# A sentence's time grows with its length alone; this bounds the memory of one.
LONGEST_SENTENCE = 500
# Sentences are tagged together, since many unknown words at once take less time each. This bounds
# the memory of that.
WORDS_AT_ONCE = 4000


class HantaTagger:
    """The component. One model's tables are shared by all documents; not for several threads."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._model = read_model(library_folder("HanTa") / MODEL_FILES[language])
        self._words = Words(self._model)

    @property
    def tags(self) -> tuple[str, ...]:
        """All tags the model knows."""
        return self._model.tags

    def __call__(self, doc: Doc) -> Doc:
        """Tag all sentences of `doc` but their spaces, some words as others (`whole_words`)."""
        tagged_as: Mapping[str, str] = doc.user_data.get(TAGGED_AS, {})
        waiting: list[list[Token]] = []
        count = 0
        for sentence in doc.sents:
            tokens = [token for token in sentence if not token.is_space]
            for start in range(0, len(tokens), LONGEST_SENTENCE):
                waiting.append(tokens[start : start + LONGEST_SENTENCE])
                count += len(waiting[-1])
            if count >= WORDS_AT_ONCE:
                self._tag_tokens(waiting, tagged_as)
                waiting, count = [], 0
        self._tag_tokens(waiting, tagged_as)
        return doc

    def _tag_tokens(
        self, sentences: Sequence[Sequence[Token]], tagged_as: Mapping[str, str]
    ) -> None:
        written = [[token.text for token in sentence] for sentence in sentences]
        if tagged_as:
            written = [[tagged_as.get(word, word) for word in words] for words in written]
        for tokens, words, tags in zip(sentences, written, self.tag_all(written), strict=True):
            for token, word, tag in zip(tokens, words, tags, strict=True):
                token.tag_ = tag
                token.pos_ = to_upos(self.language, word, tag)

    def tag(self, words: Sequence[str]) -> list[str]:
        """The model's tag of each word of one sentence; X for all if one but the first is empty."""
        return self.tag_all([words])[0]

    def tag_all(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        """The tags of the words of each sentence, as `tag` gives them, faster than one by one."""
        first = self._words.candidates((words[0] for words in sentences if words), are_first=True)
        others = self._words.candidates(
            chain.from_iterable(words[1:] for words in sentences), are_first=False
        )
        found = []
        for words in sentences:
            if not all(words[1:]):
                found.append([UNKNOWN] * len(words))
                continue
            candidates = [first[words[0]], *map(others.__getitem__, words[1:])] if words else []
            tags = best_tags(self._model.transitions, candidates)
            found.append([self.tags[tag] for tag in tags])
        return found


@Language.factory(COMPONENT, assigns=["token.tag", "token.pos"])
def _make(nlp: Language, name: str) -> HantaTagger:  # noqa: ARG001 - spaCy passes both
    tagger = HantaTagger(nlp.lang or "")
    for tag in tagger.tags:  # here, so that forks of this process need not store them
        nlp.vocab.strings.add(tag)
    return tagger
