"""Evaluation sets that are one file: a CSV or JSON lines, of which its columns tell the kind.

`text,doc_id[,relevance]`: texts and the documents of an artifact they are about, a row each; an
empty doc_id says that there is none. `text1,text2,label`: pairs, the label being 1 or 0.
`text,keyphrases`, separated by `;` or `|`. JSON lines have the same as keys. Sets of
several files are for `sets`. Every fault is a CorpusError that names file and row.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from models.corpus_reader import read_table
from models.errors import CorpusError, shorten
from models.evaluation.sets import (
    EvaluationSets,
    KeyphraseSet,
    KeyphraseText,
    PairSet,
    RetrievalSet,
    belongs_to_folder,
    number_in,
    objects_in,
    read_keyphrases,
    read_sets,
)
from models.tables import find_column, recognise

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from models.tables import Form, Told

    Rows = Iterable[tuple[int, list[str]]]

PAIRS = ("text1", "text2", "label")
KEYPHRASES = ("text", "keyphrases")
DOCUMENTS = ("text", "doc_id")
KINDS: tuple[tuple[str, ...], ...] = (PAIRS, KEYPHRASES, DOCUMENTS)
OPTIONAL: dict[tuple[str, ...], tuple[str, ...]] = {DOCUMENTS: ("relevance",)}
JSON_ENDINGS = (".jsonl", ".ndjson", ".json")
FILE_ENDINGS = (".csv", ".tsv", ".txt", *JSON_ENDINGS)
TRUTHS = {"true": "1", "yes": "1", "ja": "1", "false": "0", "no": "0", "nein": "0"}
SEPARATORS = re.compile(r"[;|]")


def read_any(path: Path, told: Told | None = None) -> EvaluationSets:
    """The sets of a folder, or the set that is one file. Raises CorpusError."""
    if path.is_dir():
        files = sorted(each for each in path.iterdir() if each.suffix.lower() in FILE_ENDINGS)
        if not files or any(belongs_to_folder(each.name) for each in files):
            return read_sets(path)
        found = [read_any(each, told) for each in files]
        return EvaluationSets(
            retrieval=tuple(one for each in found for one in each.retrieval),
            pairs=tuple(one for each in found for one in each.pairs),
            keyphrases=tuple(one for each in found for one in each.keyphrases),
        )
    if path.suffix.lower() in JSON_ENDINGS:
        return _of_objects(path)
    kind, form = _kind_of_table(path, told)
    return _read(path, kind, read_table(path, kind, OPTIONAL.get(kind, ()), form=form))


def _kind_of_table(path: Path, told: Told | None) -> tuple[tuple[str, ...], Form]:
    form = None
    for kind in KINDS:
        form = recognise(path, kind, told, is_said=False)
        if all(find_column(path, form.header, name) is not None for name in kind):
            return kind, recognise(path, kind, told)
    shown = ", ".join(form.header[:20]) if form and form.header else "none"
    raise _no_kind(path, f"columns: {shown}")


def _of_objects(path: Path) -> EvaluationSets:
    objects = list(objects_in(path))
    keys = objects[0][1].keys() if objects else ()
    kind = next((kind for kind in KINDS if set(kind) <= set(keys)), None)
    if kind is None:
        raise _no_kind(path, f"keys: {', '.join(keys) or 'none'}")
    if kind == KEYPHRASES:
        return EvaluationSets((), (), (read_keyphrases(path),))
    names = (*kind, *OPTIONAL.get(kind, ()))
    rows = ((number, [_cell(path, number, each.get(name)) for name in names])
            for number, each in objects)  # fmt: skip
    return _read(path, kind, rows)


def _cell(path: Path, number: int, value: object) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if value is not None and not isinstance(value, str | int | float):
        raise CorpusError(path, f"line {number}: {shorten(value, 60)} is no text or number")
    return "" if value is None else str(value)


def _read(path: Path, kind: tuple[str, ...], rows: Rows) -> EvaluationSets:
    if kind == PAIRS:
        return EvaluationSets((), (_pairs(path, rows),), ())
    if kind == KEYPHRASES:
        return EvaluationSets((), (), (_keyphrases(path, rows),))
    return EvaluationSets((_documents(path, rows),), (), ())


def _documents(path: Path, rows: Rows) -> RetrievalSet:
    ids: dict[str, str] = {}
    relevance: dict[str, dict[str, float]] = {}
    for number, (cell, document, grade) in rows:
        query = ids.setdefault(_text(path, number, cell), str(len(ids) + 1))
        found = relevance.setdefault(query, {})
        value = number_in(path, number, grade, "relevance") if grade.strip() else 1.0
        if document.strip() and value > 0:
            found[document.strip()] = value
    if not any(relevance.values()):
        raise CorpusError(path, "names no document for any of its texts")
    return RetrievalSet(path.stem, {}, {each: text for text, each in ids.items()}, relevance)


def _pairs(path: Path, rows: Rows) -> PairSet:
    pairs: list[tuple[str, str]] = []
    labels: list[bool] = []
    for number, (one, other, label) in rows:
        pairs.append((_text(path, number, one), _text(path, number, other)))
        given = TRUTHS.get(label.strip().lower(), label)
        labels.append(number_in(path, number, given, "label") > 0)
    if len(set(labels)) < 2:  # noqa: PLR2004 - positive and negative
        raise CorpusError(path, "must have pairs that belong together and pairs that do not")
    return PairSet(path.stem, tuple(pairs), tuple(labels))


def _keyphrases(path: Path, rows: Rows) -> KeyphraseSet:
    texts = []
    for number, (text, cell) in rows:
        phrases: Sequence[str] = [each.strip() for each in SEPARATORS.split(cell) if each.strip()]
        if not phrases:
            raise CorpusError(path, f"row {number} has no keyphrases")
        given = _text(path, number, text)
        texts.append(KeyphraseText(str(number), "", given, tuple(phrases), ()))
    if not texts:
        raise CorpusError(path, "has no text")
    return KeyphraseSet(path.stem, tuple(texts))


def _text(path: Path, number: int, cell: str) -> str:
    if not cell.strip():
        raise CorpusError(path, f"row {number} has a blank text")
    return cell.strip()


def _no_kind(path: Path, found: str) -> CorpusError:
    kinds = " or ".join(",".join(kind) for kind in KINDS)
    return CorpusError(path, f"is no evaluation set: it must have {kinds}; its {found}")
