"""Parts of speech by HanTa's models (Wartena 2019), as a component of a spaCy pipeline.

Sets `pos_` (universal) and `tag_` (the model's own). The library HanTa brings and reads the models;
the tags, the same as its own, are found by `hanta_words` and `hanta_sentences`. The sentences
themselves must be there: `pipelines` puts spaCy's sentencizer before this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spacy.language import Language

from models.language.hanta_reading import read_model
from models.language.hanta_sentences import best_tags
from models.language.hanta_words import Words
from models.language.source_files import library_folder
from models.language.tagsets import UNKNOWN, to_upos

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spacy.tokens import Doc

COMPONENT = "hanta_tagger"
MODEL_FILES = {"de": "morphmodel_ger.pgz", "en": "morphmodel_en.pgz", "nl": "morphmodel_dutch.pgz"}
"""Languages that can be tagged, and the models HanTa comes with for them."""

# A sentence's time grows with its length alone; this bounds the memory of one.
LONGEST_SENTENCE = 500


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
        """Tag all sentences of `doc` but their spaces."""
        for sentence in doc.sents:
            tokens = [token for token in sentence if not token.is_space]
            for start in range(0, len(tokens), LONGEST_SENTENCE):
                part = tokens[start : start + LONGEST_SENTENCE]
                words = [token.text for token in part]
                for token, word, tag in zip(part, words, self.tag(words), strict=True):
                    token.tag_ = tag
                    token.pos_ = to_upos(self.language, word, tag)
        return doc

    def tag(self, words: Sequence[str]) -> list[str]:
        """The model's tag of each word of one sentence; X for all if one but the first is empty."""
        if not all(words[1:]):
            return [UNKNOWN] * len(words)
        candidates = (
            self._words.candidates(word, is_first=place == 0) for place, word in enumerate(words)
        )
        return [self.tags[tag] for tag in best_tags(self._model.transitions, candidates)]


@Language.factory(COMPONENT, assigns=["token.tag", "token.pos"])
def _make(nlp: Language, name: str) -> HantaTagger:  # noqa: ARG001 - spaCy passes both
    tagger = HantaTagger(nlp.lang or "")
    for tag in tagger.tags:  # here, so that forks of this process need not store them
        nlp.vocab.strings.add(tag)
    return tagger
