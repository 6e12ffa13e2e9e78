"""Parts of speech by HanTa (Wartena 2019), as a component of a spaCy pipeline.

Sets `pos_` (universal) and `tag_` (the model's own). A sentence HanTa cannot tag is tagged X. The
sentences themselves must be there: `pipelines` puts spaCy's sentencizer before this.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from HanTa.HanoverTagger import HanoverTagger
from spacy.language import Language

from models.language.source_files import library_folder
from models.language.tagsets import UNKNOWN, to_upos

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spacy.tokens import Doc

log = logging.getLogger(__name__)

COMPONENT = "hanta_tagger"
MODEL_FILES = {"de": "morphmodel_ger.pgz", "en": "morphmodel_en.pgz", "nl": "morphmodel_dutch.pgz"}
"""Languages that can be tagged, and the models HanTa comes with for them."""

# The time for an unknown word grows with the square of its length, and beyond that of any German
# compound only the first letter's case and the ending tell something.
LONGEST_WORD = 30
# A sentence's time grows with its length alone; this bounds what is lost if HanTa fails on one.
LONGEST_SENTENCE = 500
CACHED_WORDS = 5000


class HantaTagger:
    """The component. One model's tables are shared by all documents; not for several threads."""

    def __init__(self, language: str) -> None:
        self.language = language
        # An absolute path: HanTa looks in the working directory first, and in a worker that is the
        # artifact's folder, whose files are not to be unpickled.
        self._tagger: Any = HanoverTagger(str(library_folder("HanTa") / MODEL_FILES[language]))
        self._tagger.analyze_forward = lru_cache(CACHED_WORDS)(self._tagger.analyze_forward)

    def __call__(self, doc: Doc) -> Doc:
        """Tag all sentences of `doc` but their spaces."""
        for sentence in doc.sents:
            tokens = [token for token in sentence if not token.is_space]
            for start in range(0, len(tokens), LONGEST_SENTENCE):
                part = tokens[start : start + LONGEST_SENTENCE]
                for token, tag in zip(part, self.tag([t.text for t in part]), strict=True):
                    token.tag_ = tag
                    token.pos_ = to_upos(self.language, token.text, tag)
        return doc

    def tag(self, words: Sequence[str]) -> list[str]:
        """The model's tag of each word of one sentence; X for all if HanTa fails on it."""
        shortened = [
            word if len(word) <= LONGEST_WORD else word[0] + word[1 - LONGEST_WORD :]
            for word in words
        ]
        try:
            return cast("list[str]", self._tagger.tag_sent(shortened, taglevel=0))
        except Exception:  # noqa: BLE001 - the library raises whatever its tables lack
            log.warning("a sentence of %d words could not be tagged", len(words))
            return [UNKNOWN] * len(words)


@Language.factory(COMPONENT, assigns=["token.tag", "token.pos"])
def _make(nlp: Language, name: str) -> HantaTagger:  # noqa: ARG001 - spaCy passes both
    return HantaTagger(nlp.lang or "")
