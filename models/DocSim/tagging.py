"""Which tags a text gets from the artifact's taxonomy, `DocSim-taxonomy.json`.

A tag is given if one of its terms is in the text word for word, or if a word of the text is like a
term: their cosine is above the taxonomy's threshold. Stop words and excluded terms are never
like a term.

`{"text": text, "want": "tags"}` is answered by
`{"tags": [{"tag", "category", "term", "word", "similarity"}, ...]}`: each tag once, with the term
and the word that gave it, highest similarity first. `{"texts": [...], "want": "tags"}` is answered
by `{"results": [...]}` of these, with `{"error": ...}` in place of a text that cannot be used.

The terms' vectors are made when the artifact is converted, and are mapped from then on. The terms
themselves are read when the model is first asked for tags, since many models never are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from models.bodies import check_keys, check_text
from models.DocSim.answers import Answer, as_number, check_number
from models.DocSim.documents import is_inside
from models.DocSim.taxonomy import Taxonomy, exact_words, read_taxonomy
from models.DocSim.term_finder import TermFinder
from models.DocSim.term_vectors import term_vectors, word_units
from models.DocSim.texts import in_batches
from models.errors import ArtifactError, BadInput, shorten
from models.mapped.folder import Mapped, mapped

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from models.DocSim.texts import TextReader
    from models.DocSim.vectors import WordVectors

TAXONOMY_FILE = "DocSim-taxonomy.json"
FORM = "DocSim.taxonomy.v1"
MAX_TEXTS = 10_000
MAX_FOUND = 200_000
"""The most tags of all texts of a request together."""
KEYS = ("text", "texts", "want")
TAGS = "tags"
NUMBERS_AT_ONCE = 1 << 20
"""At most so many similarities of words and terms are in memory at a time."""


@dataclass(frozen=True, slots=True)
class _Found:
    """Why a text has a tag."""

    similarity: float
    term: int
    word: str


class Tagger:
    """Gives texts the tags of one taxonomy."""

    def __init__(
        self, path: Path, reader: TextReader, vectors: WordVectors, terms: NDArray[np.float32],
        max_chars: int,
    ) -> None:  # fmt: skip
        self._path = path
        self._reader = reader
        self._vectors = vectors
        self._units = terms
        self._max_chars = max_chars

    @property
    def terms(self) -> int:
        """How many terms there are."""
        return len(self._units)

    def answer(self, value: dict[str, Any]) -> Answer:
        """Answer a request that has one of KEYS. Raises BadInput."""
        check_keys(value, KEYS)
        if value.get("want") != TAGS:
            raise BadInput(f'"want" must be "{TAGS}", not {shorten(value.get("want"))}')
        if ("text" in value) == ("texts" in value):
            raise BadInput('Send either "text" or "texts"')
        if "text" in value:
            tags = self._tags(check_text(value["text"], "text", self._max_chars))
            return Answer({TAGS: tags}, [list(tag.values()) for tag in tags])
        texts = value["texts"]
        if not isinstance(texts, list):
            raise BadInput(f'"texts" must be a list of texts, not {shorten(texts)}')
        check_number(len(texts), "texts", MAX_TEXTS)
        return self._of_all(texts)

    def _of_all(self, texts: Sequence[object]) -> Answer:
        """The tags of each text; a text that cannot be used gets an error in its place."""
        results: list[dict[str, object]] = []
        rows: list[list[object]] = []
        for index, text in enumerate(texts):
            try:
                checked = check_text(text, f"Text {index}", self._max_chars)
            except BadInput as error:
                results.append({"error": error.message})
                continue
            tags = self._tags(checked)
            results.append({TAGS: tags})
            rows += ([index, *tag.values()] for tag in tags)
            if len(rows) > MAX_FOUND:
                raise BadInput(f"The texts have more than {MAX_FOUND} tags: send less at a time")
        return Answer({"results": results}, rows)

    def _tags(self, text: str) -> list[dict[str, object]]:
        best: dict[tuple[str, str], _Found] = {}
        for found in (*self._exact(text), *self._alike(text)):
            term = self._taxonomy.terms[found.term]
            known = best.get((term.category, term.tag))
            if known is None or found.similarity > known.similarity:
                best[term.category, term.tag] = found
        return [
            {
                "tag": tag,
                "category": category,
                "term": self._taxonomy.terms[found.term].text,
                "word": found.word,
                "similarity": found.similarity,
            }
            for (category, tag), found in sorted(
                best.items(), key=lambda item: (-item[1].similarity, item[1].term)
            )
        ]

    def _exact(self, text: str) -> list[_Found]:
        """The terms that stand in the text word for word."""
        numbers, phrases = self._finder.find(exact_words(self._reader.cleaned(text))), self._phrases
        found = [_Found(1.0, number, phrases[number]) for number in numbers]
        # The longest of a tag's terms says most.
        return sorted(found, key=lambda each: (-len(each.word), each.term))

    def _alike(self, text: str) -> list[_Found]:
        """For each term the word of the text that is most like it, if it is above the threshold."""
        known = self._reader.known_words(text)
        words = [word for word in known if word not in self._excluded]
        words.sort(key=known.__getitem__)  # the answer must not depend on the order of a set
        best = np.full(self.terms, self._taxonomy.threshold, np.float32)
        chosen = np.full(self.terms, -1)
        for part in in_batches(len(words), max(NUMBERS_AT_ONCE // self.terms, 1)):
            rows = [known[word] for word in words[part]]
            alike = word_units(self._vectors, rows) @ self._units.T
            likest = alike.argmax(axis=0)
            similarity = alike[likest, np.arange(self.terms)]
            better = similarity > best
            best[better], chosen[better] = similarity[better], likest[better] + part.start
        return [
            _Found(as_number(best[term]), term, words[chosen[term]])
            for term in np.flatnonzero(chosen >= 0).tolist()
        ]

    @cached_property
    def _taxonomy(self) -> Taxonomy:
        taxonomy = read_taxonomy(self._path)
        if len(taxonomy.terms) != self.terms:
            raise ArtifactError(self._path, "has changed since the model was loaded")
        return taxonomy

    @cached_property
    def _excluded(self) -> frozenset[str]:
        return frozenset(term.lower() for term in self._taxonomy.excluded)

    @cached_property
    def _phrases(self) -> list[str]:
        """Each term as it is looked for."""
        return [" ".join(exact_words(term.text)) for term in self._taxonomy.terms]

    @cached_property
    def _finder(self) -> TermFinder:
        return TermFinder(phrase.split(" ") for phrase in self._phrases)


def load_tagger(
    model_dir: Path,
    scratch: Path | None,
    reader: TextReader,
    vectors: WordVectors,
    max_chars: int,
) -> Tagger | None:
    """The artifact's taxonomy, None if it has none. Raises ArtifactError."""
    path = model_dir / TAXONOMY_FILE
    if not is_inside(path):
        return None

    def build() -> Mapped:
        terms = [term.text for term in read_taxonomy(path).terms]
        return Mapped({"terms": term_vectors(terms, reader, vectors)}, {})

    # The vectors depend on every file of the model, and on its parameters.
    sources = sorted(each for each in model_dir.iterdir() if each.name.startswith("DocSim-"))
    units = mapped(scratch, sources, FORM, build).arrays["terms"]
    return Tagger(path, reader, vectors, units, max_chars)
