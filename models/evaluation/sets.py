"""Evaluation sets: retrieval sets, pairs of texts and texts with keyphrases, read from a folder.

A retrieval set X is `X_docs.csv` (doc_id,[title,]claim_text[,category]), `X_queries.csv`
(query_id,text) and `X_qrels.csv` (query_id,doc_id,relevance); `X_pairs.csv` (query_id,doc_id,label)
asks of its queries and documents whether they belong together. `keyphrases_X.jsonl` has an object a
line: id, title, text, keyphrases, present. Every fault is a CorpusError that names file and row.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from models.corpus_reader import read_table
from models.errors import CorpusError, shorten

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

DOCS, QUERIES, QRELS, PAIRS = "_docs.csv", "_queries.csv", "_qrels.csv", "_pairs.csv"
KEYPHRASES = "keyphrases_"
_SHOWN_ID_CHARS = 60
_Entry = TypeVar("_Entry")


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a retrieval set; title and category may be empty."""

    title: str
    text: str
    category: str


@dataclass(frozen=True, slots=True)
class RetrievalSet:
    """Documents by id, queries by id, and for each query the relevance of documents above 0.

    Without documents it asks of those an artifact holds, and a query may have none that is
    relevant: it is there to be told from the others.
    """

    name: str
    documents: Mapping[str, Document]
    queries: Mapping[str, str]
    relevance: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class PairSet:
    """Pairs of texts, and whether they belong together."""

    name: str
    pairs: tuple[tuple[str, str], ...]
    labels: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class KeyphraseText:
    """A text and the keyphrases people gave it; `present` are those that occur in it."""

    id: str
    title: str
    text: str
    keyphrases: tuple[str, ...]
    present: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeyphraseSet:
    """Texts with keyphrases."""

    name: str
    texts: tuple[KeyphraseText, ...]


@dataclass(frozen=True, slots=True)
class EvaluationSets:
    """All sets of a folder."""

    retrieval: tuple[RetrievalSet, ...]
    pairs: tuple[PairSet, ...]
    keyphrases: tuple[KeyphraseSet, ...]


def read_sets(folder: Path) -> EvaluationSets:
    """Read every set in `folder`, in the order of names. Raises CorpusError, also if none is."""
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise CorpusError(folder, f"cannot be read as a folder: {error.strerror}") from error
    retrieval = {
        name.removesuffix(QRELS): read_retrieval(folder, name.removesuffix(QRELS))
        for name in names
        if name.endswith(QRELS)
    }
    paired = [name.removesuffix(PAIRS) for name in names if name.endswith(PAIRS)]
    phrases = [name for name in names if name.startswith(KEYPHRASES) and name.endswith(".jsonl")]
    if not (retrieval or paired or phrases):
        raise CorpusError(
            folder,
            f"holds no evaluation set: neither X{QRELS} (with X{DOCS}, X{QUERIES}), X{PAIRS}"
            f" nor {KEYPHRASES}X.jsonl; it has {', '.join(names[:10]) or 'no file'}",
        )
    return EvaluationSets(
        retrieval=tuple(retrieval.values()),
        pairs=tuple(read_pairs(folder, name) for name in paired),
        keyphrases=tuple(read_keyphrases(folder / name) for name in phrases),
    )


def belongs_to_folder(name: str) -> bool:
    """Whether a file of this name is a part of a set that `read_sets` reads."""
    return name.endswith((QRELS, PAIRS)) or (
        name.startswith(KEYPHRASES) and name.endswith(".jsonl")
    )


def read_retrieval(folder: Path, name: str) -> RetrievalSet:
    """Read the retrieval set `name`; each query in it has at least one relevant document."""
    documents, queries = _documents(folder / f"{name}{DOCS}"), _queries(folder / f"{name}{QUERIES}")
    path = folder / f"{name}{QRELS}"
    relevance: dict[str, dict[str, float]] = {query: {} for query in queries}
    for number, (query, document, given) in read_table(path, ("query_id", "doc_id", "relevance")):
        _known(path, number, query, queries, "query")
        _known(path, number, document, documents, "document")
        if (grade := number_in(path, number, given, "relevance")) > 0:
            relevance[query][document] = grade
    if bare := [query for query, found in relevance.items() if not found]:
        raise CorpusError(
            path, f"gives no relevant document for {len(bare)} queries, the first {bare[0]!r}"
        )
    return RetrievalSet(name, documents, queries, relevance)


def read_pairs(folder: Path, name: str) -> PairSet:
    """Read the pairs `name`, texts from the documents and queries of the same name."""
    documents, queries = _documents(folder / f"{name}{DOCS}"), _queries(folder / f"{name}{QUERIES}")
    path = folder / f"{name}{PAIRS}"
    pairs, labels = [], []
    for number, (query, document, given) in read_table(path, ("query_id", "doc_id", "label")):
        _known(path, number, query, queries, "query")
        _known(path, number, document, documents, "document")
        pairs.append((queries[query], documents[document].text))
        labels.append(number_in(path, number, given, "label") > 0)
    if len(set(labels)) < 2:  # noqa: PLR2004 - positive and negative
        raise CorpusError(path, "must have pairs that belong together and pairs that do not")
    return PairSet(name, tuple(pairs), tuple(labels))


def read_keyphrases(path: Path) -> KeyphraseSet:
    """Read a file of texts with keyphrases; blank lines are no texts."""
    texts = []
    for number, entry in objects_in(path):
        phrases, present = (
            _strings(path, number, entry, "keyphrases"),
            _strings(path, number, entry, "present"),
        )
        if not phrases:
            raise CorpusError(path, f"line {number} has no keyphrases")
        text = _string(path, number, entry, "text")
        if not text.strip():
            raise CorpusError(path, f"line {number} has a blank text")
        identity = str(entry.get("id", number))
        title = _string(path, number, entry, "title")
        texts.append(KeyphraseText(identity, title, text, phrases, present))
    if not texts:
        raise CorpusError(path, "has no text")
    return KeyphraseSet(path.stem.removeprefix(KEYPHRASES), tuple(texts))


def _documents(path: Path) -> dict[str, Document]:
    found: dict[str, Document] = {}
    rows = read_table(path, ("doc_id", "claim_text"), ("title", "category"))
    for number, (identity, text, title, category) in rows:
        _new(path, number, identity, found)
        found[identity] = Document(title.strip(), text.strip(), category.strip())
    return _filled(path, found, "documents")


def _queries(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, (identity, text) in read_table(path, ("query_id", "text")):
        _new(path, number, identity, found)
        if not text.strip():
            raise CorpusError(path, f"row {number} has a blank text")
        found[identity] = text.strip()
    return _filled(path, found, "queries")


def _filled(path: Path, found: dict[str, _Entry], what: str) -> dict[str, _Entry]:
    if not found:
        raise CorpusError(path, f"has no {what}")
    return found


def _new(path: Path, number: int, identity: str, found: Mapping[str, object]) -> None:
    if not identity or identity in found:
        fault = f"a second {shorten(identity, _SHOWN_ID_CHARS)}" if identity else "no id"
        raise CorpusError(path, f"row {number} has {fault}")


def _known(path: Path, number: int, identity: str, known: Mapping[str, object], what: str) -> None:
    if identity not in known:
        raise CorpusError(
            path,
            f"row {number} names the {what} {shorten(identity, _SHOWN_ID_CHARS)}: there is none",
        )


def number_in(path: Path, number: int, given: str, column: str) -> float:
    """The number from 0 up in a cell. Raises CorpusError."""
    try:
        value = float(given)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise CorpusError(
            path, f"row {number}: {column} is {shorten(given, 40)}, not a number from 0 up"
        )
    return value


def objects_in(path: Path) -> Iterator[tuple[int, dict[str, object]]]:
    """Each line's number and the object on it."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    entry = json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise CorpusError(path, f"line {number} is not JSON: {error}") from error
                if not isinstance(entry, dict):
                    raise CorpusError(path, f"line {number} is no JSON object")
                yield number, entry
    except OSError as error:
        raise CorpusError(path, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CorpusError(path, f"is not UTF-8: {error.reason}") from error


def _string(path: Path, number: int, entry: Mapping[str, object], key: str) -> str:
    value = entry.get(key, "")
    if not isinstance(value, str):
        raise CorpusError(path, f"line {number}: {key} is {shorten(value, 60)}, not a string")
    return value


def _strings(path: Path, number: int, entry: Mapping[str, object], key: str) -> tuple[str, ...]:
    value = entry.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise CorpusError(
            path, f"line {number}: {key} is {shorten(value, 60)}, not a list of strings"
        )
    return tuple(value)
