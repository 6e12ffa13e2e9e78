"""A taxonomy for tagging: categories of tags, and the terms that stand for each tag.

    {"similarity-threshold": 0.7,
     "excluded-terms": ["heute", "sagen"],
     "Gesundheit": {"Impfung": ["impfstoff", "mRNA Impfung"], "Masken": ["maske"]}}

Every key but the first two is a category. The categories may also be in an object of their own,
under "categories" or "taxonomy". This module reads and checks taxonomies; which words are like a
term is for `tagging` and `taxonomy_report`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from models.errors import ArtifactError, shorten
from models.language.normal_forms import normal_form

if TYPE_CHECKING:
    from pathlib import Path

THRESHOLD, EXCLUDED = "similarity-threshold", "excluded-terms"
NESTED = ("categories", "taxonomy")
MAX_BYTES = 16 * 1024 * 1024
MAX_TERMS = 20_000
MAX_TERM_CHARS = 200
MAX_TERM_WORDS = 200_000
"""The most words of all terms together."""
MAX_NAME_CHARS = 1000
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Term:
    """One term and the tag it stands for."""

    category: str
    tag: str
    text: str


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """The terms of all tags in the order of the file."""

    threshold: float
    """A word is like a term where their cosine is above this."""
    excluded: tuple[str, ...]
    """Words that are never taken to be like a term."""
    terms: tuple[Term, ...]

    @property
    def tags(self) -> tuple[tuple[str, str], ...]:
        """Category and name of each tag."""
        return tuple(dict.fromkeys((term.category, term.tag) for term in self.terms))

    def to_json(self) -> str:
        """The taxonomy in the form with "categories"."""
        categories: dict[str, dict[str, list[str]]] = {}
        for term in self.terms:
            categories.setdefault(term.category, {}).setdefault(term.tag, []).append(term.text)
        value = {THRESHOLD: self.threshold, EXCLUDED: self.excluded, NESTED[0]: categories}
        return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def exact_words(text: str) -> list[str]:
    """The words by which a term is found in a text: runs of letters and digits in lower case.

    Unlike words that have vectors, these may be short, or long, or have digits: `covid`, `19`.
    """
    return _WORD.findall(normal_form("NFC", text).lower())


def read_taxonomy(path: Path) -> Taxonomy:
    """Read and check a taxonomy; ArtifactError names file, key and value."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise ArtifactError(path, f"is larger than {MAX_BYTES} bytes")
        value = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_without_repeats)
    except OSError as error:
        raise ArtifactError(path, f"cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ArtifactError(path, f"is not JSON: {shorten(str(error))}") from error
    return _Reader(path).taxonomy(value)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {shorten(key, 60)} stands there twice")
        found[key] = value
    return found


@dataclass(frozen=True, slots=True)
class _Reader:
    path: Path

    def taxonomy(self, value: object) -> Taxonomy:
        if not isinstance(value, dict):
            self._refuse("the file", value, "must be an object")
        threshold = self._threshold(value.get(THRESHOLD))
        categories = self._categories(value)
        terms = [
            Term(category, tag, term)
            for category, tags in categories.items()
            for tag, listed in self._tags(category, tags).items()
            for term in self._terms(f"{category}.{tag}", listed)
        ]
        if not terms:
            self._refuse("the taxonomy", categories, "must have a category with a tag with a term")
        if len(terms) > MAX_TERMS:
            raise ArtifactError(self.path, f"has {len(terms)} terms; at most {MAX_TERMS} are taken")
        if (words := sum(len(exact_words(term.text)) for term in terms)) > MAX_TERM_WORDS:
            raise ArtifactError(
                self.path, f"has terms of {words} words; at most {MAX_TERM_WORDS} are taken"
            )
        excluded = self._terms(EXCLUDED, value.get(EXCLUDED, []), may_be_empty=True)
        return Taxonomy(threshold, tuple(excluded), tuple(terms))

    def _categories(self, value: dict[str, Any]) -> dict[str, Any]:
        rest = {key: each for key, each in value.items() if key not in (THRESHOLD, EXCLUDED)}
        # A category may have one of these names too; then its tags are lists of terms.
        for key in NESTED:
            inner = rest.get(key)
            if len(rest) == 1 and isinstance(inner, dict) and _holds_objects(inner):
                return inner
        return rest

    def _threshold(self, value: object) -> float:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not 0 <= value <= 1:  # type: ignore[operator]
            self._refuse(THRESHOLD, value, "must be a number from 0 to 1")
        return float(value)  # type: ignore[arg-type]

    def _tags(self, category: str, value: object) -> dict[str, Any]:
        self._check_name(category, "a category")
        if not isinstance(value, dict):
            self._refuse(category, value, "must be an object of tags, each with a list of terms")
        for tag in value:
            self._check_name(tag, f"a tag of {category}")
        return value

    def _check_name(self, name: str, what: str) -> None:
        if not name.strip() or not _is_text(name):
            self._refuse("a name", name, f"must name {what}")
        if len(name) > MAX_NAME_CHARS:
            self._refuse("a name", name, f"must be of at most {MAX_NAME_CHARS} characters")

    def _terms(self, key: str, value: object, *, may_be_empty: bool = False) -> list[str]:
        if not isinstance(value, list) or not (value or may_be_empty):
            self._refuse(key, value, "must be a list of terms")
        for term in value:
            if isinstance(term, str) and len(term) > MAX_TERM_CHARS:
                self._refuse(key, term, f"must hold terms of at most {MAX_TERM_CHARS} characters")
            if not isinstance(term, str) or not _is_text(term) or not exact_words(term):
                self._refuse(key, term, "must hold terms with at least a letter or digit each")
        return list(dict.fromkeys(value))

    def _refuse(self, key: str, value: object, rule: str) -> NoReturn:
        raise ArtifactError(self.path, f"{key} is {shorten(value)}: it {rule}")


def _is_text(text: str) -> bool:
    """Whether the text can be sent as UTF-8: half a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _holds_objects(value: dict[str, Any]) -> bool:
    return all(isinstance(each, dict) for each in value.values())
