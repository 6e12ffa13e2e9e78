"""The taxonomy report: words of the corpus that a taxonomy could take up.

For each term of each tag, the report lists the words most like it, in the order of gensim's
`most_similar`: those above the threshold that are not terms, excluded terms or stop words already.
It is written at training.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.bodies import to_csv
from models.DocSim.answers import as_number
from models.DocSim.taxonomy import EXCLUDED, THRESHOLD, Taxonomy, Term
from models.DocSim.term_vectors import term_vectors, word_units

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from models.DocSim.texts import TextReader
    from models.DocSim.vectors import WordVectors

NAME = "DocSim-taxonomy-report"
WORDS_A_TERM = 10
TERMS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Space:
    """The words of a model, and how it reads texts."""

    reader: TextReader
    vectors: WordVectors
    stop_words: Collection[str]

    def of(self, terms: Sequence[str]) -> NDArray[np.float32]:
        """The vectors of terms; zeros for one without a known word."""
        return term_vectors(terms, self.reader, self.vectors)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A term and the words that could be added to it, most similar first."""

    term: Term
    is_known: bool
    """Whether one of its words has a vector; if not, no word can be like it."""
    words: tuple[tuple[str, float], ...]


def suggestions(taxonomy: Taxonomy, space: Space) -> list[Suggestion]:
    """The words that could be added, for each term in the taxonomy's order."""
    words = list(space.vectors.index)
    terms = [term.text for term in taxonomy.terms]
    covered = {term.lower() for term in (*terms, *taxonomy.excluded)}
    is_open = np.array(
        [not {word, word.lower()} & covered and word not in space.stop_words for word in words]
    )
    units, theirs = word_units(space.vectors, slice(None)), space.of(terms)
    found: list[Suggestion] = []
    for start in range(0, len(terms), TERMS_AT_ONCE):
        alike = theirs[start : start + TERMS_AT_ONCE] @ units.T
        for term, scores in zip(taxonomy.terms[start:], alike, strict=False):
            own = list(space.reader.known_words(term.text, stops=False).values())
            wanted = is_open & (scores > taxonomy.threshold)
            wanted[own] = False
            best = _highest(scores, np.flatnonzero(wanted))
            likest = tuple((words[row], as_number(scores[row])) for row in best)
            found.append(Suggestion(term, bool(theirs[len(found)].any()), likest))
    return found


def _highest(scores: NDArray[np.float32], rows: NDArray[np.intp]) -> list[int]:
    best: list[int] = rows[np.argsort(-scores[rows], kind="stable")][:WORDS_A_TERM].tolist()
    return best


def report_files(taxonomy: Taxonomy, found: Sequence[Suggestion], words: int) -> dict[str, str]:
    """File name -> content: the report as JSON and as a table, a row for each word."""
    tags: dict[tuple[str, str], list[dict[str, object]]] = {}
    rows: list[tuple[object, ...]] = [("category", "tag", "term", "known", "word", "similarity")]
    for each in found:
        term = each.term
        similar = [{"word": word, "similarity": score} for word, score in each.words]
        tags.setdefault((term.category, term.tag), []).append(
            {"term": term.text, "is_known": each.is_known, "similar": similar}
        )
        place = (term.category, term.tag, term.text, "yes" if each.is_known else "no")
        rows += [(*place, word, score) for word, score in each.words or (("", ""),)]
    value = {
        THRESHOLD: taxonomy.threshold,
        EXCLUDED: taxonomy.excluded,
        "vocabulary_words": words,
        "tags": [
            {"category": category, "tag": tag, "terms": terms}
            for (category, tag), terms in tags.items()
        ],
    }
    return {
        f"{NAME}.json": json.dumps(value, ensure_ascii=False, indent=2) + "\n",
        f"{NAME}.csv": to_csv(rows),
    }
