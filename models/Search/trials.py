"""Trials: claims made of a corpus's own documents, to learn from how matches look like.

A document's title, or else a sentence of its text, is taken out of it and is the claim: what is
left of the document is what should be found. Claims of other subjects, which a file of this folder
has, are such that no document should be found for. `calibration` learns from what is found.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from models.Search.analysis import words_of
from models.text.sentences import split_sentences

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.Search.analysis import Analyser
    from models.Search.corpus import Document

MOST_TRIALS = 200
LEAST_WORDS = 3
"""A claim has at least so many different words that are no stop words; so has what is left."""
MOST_SENTENCES = 100
"""So many sentences at the beginning of a document may be its claim."""
_FOREIGN = Path(__file__).with_name("foreign_claims.json")


@dataclass(frozen=True, slots=True)
class Trial:
    """A claim, and the document it was taken out of, as that is without it."""

    row: int
    claim: str
    title: str
    text: str


def choose_trials(documents: Sequence[Document], analyser: Analyser) -> dict[int, Trial]:
    """Trials of documents spread over a corpus, by row."""
    step = max(1, len(documents) // MOST_TRIALS)
    made = (_trial(row, documents[row], analyser) for row in range(0, len(documents), step))
    return {trial.row: trial for trial in made if trial is not None}


def foreign_claims(language: str) -> Sequence[str]:
    """Claims of subjects that corpora of fact-checks, laws or news hardly have, in a language."""
    found: Sequence[str] = json.loads(_FOREIGN.read_text(encoding="utf-8")).get(language, ())
    return found


def _trial(row: int, document: Document, analyser: Analyser) -> Trial | None:
    if _says_enough(document.title, analyser) and _says_enough(document.text, analyser):
        return Trial(row, document.title, "", document.text)
    sentences = split_sentences(document.text)
    places = range(min(len(sentences), MOST_SENTENCES))
    place = next((each for each in places if _says_enough(sentences[each], analyser)), None)
    if place is None:
        return None
    left = " ".join(sentences[:place] + sentences[place + 1 :])
    return (
        Trial(row, sentences[place], document.title, left) if _says_enough(left, analyser) else None
    )


def _says_enough(text: str, analyser: Analyser) -> bool:
    words = {word for word in words_of(text) if not analyser.is_stop_word(word)}
    return len(words) >= LEAST_WORDS
