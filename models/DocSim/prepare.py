"""Preparing documents: from a table of texts to the two files `documents` serves.

The table is a CSV file with a header line, or has a JSON object in each line; the text is in
`claim_text`, or what `text_column` names, and whatever else is there is kept as the document's own
fields. Documents without a text are left out. Vectors are made as a request's would be, by the
parameters of the same model.
"""

from __future__ import annotations

import csv
import json
import logging
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from models.DocSim.documents import FIELDS_FILE, MAX_LINE_BYTES, VECTORS_FILE
from models.DocSim.mapping import map_vectors
from models.DocSim.params import TEXT_COLUMN, parse_params
from models.DocSim.texts import TEXTS_AT_ONCE, TextReader
from models.errors import CorpusError, shorten
from models.params import read_params
from models.tables import find_places, names_of, opened, recognise, told_by

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from models.params import Params
    from models.tables import Told

log = logging.getLogger(__name__)

ADVICE = "Set text_column (--text-column) to the one with the texts"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is wanted of a table."""

    text_column: str = TEXT_COLUMN
    fields: Collection[str] | None = None
    """What to keep of each document; None: all."""
    told: Told | None = None

    @classmethod
    def by(cls, params: Params) -> Wanted:
        """As the parameters say. Raises ArtifactError."""
        return cls(
            params.text("text_column", TEXT_COLUMN),
            params.words("document_fields"),
            told_by(params),
        )


def prepare_documents(model_dir: Path, table: Path, fields: Collection[str] | None = None) -> int:
    """Put the documents of `table` into an unpacked artifact; returns how many there are.

    Only `fields` of them are kept, all by default. Raises CorpusError and ArtifactError.
    """
    raw = read_params(model_dir, "DocSim")
    reader = TextReader(parse_params(raw), map_vectors(model_dir / "DocSim-model", None))
    wanted = Wanted(raw.text("text_column", TEXT_COLUMN), fields)
    return write_documents(model_dir, table, reader, wanted)


def write_documents(model_dir: Path, table: Path, reader: TextReader, wanted: Wanted) -> int:
    """As `prepare_documents`, for a model that is in memory."""
    fields = wanted.fields
    ids: Counter[str] = Counter()
    parts: list[NDArray[np.float32]] = []
    texts: list[str] = []
    with (model_dir / FIELDS_FILE).open("w", encoding="utf-8", newline="\n") as lines:
        for number, text, record in read_documents(table, wanted):
            if isinstance(identity := record.get("id"), str | int):
                ids[str(identity)] += 1
            texts.append(text.replace("\0", " "))
            kept = record if fields is None else {k: v for k, v in record.items() if k in fields}
            lines.write(_line(kept, table, number))
            if len(texts) == TEXTS_AT_ONCE:
                parts.append(reader.second(texts).units)
                texts = []
    parts.append(reader.second(texts).units)
    units = np.concatenate(parts)
    if not len(units):
        raise CorpusError(table, f"has no document with a text in {wanted.text_column!r}")
    if repeated := ids.total() - len(ids):
        log.warning("%s: %d documents have an id that one before has too", table.name, repeated)
    np.save(model_dir / VECTORS_FILE, units, allow_pickle=False)
    return len(units)


def read_documents(table: Path, wanted: Wanted) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """The documents that have a text: number (row or line, from 1), text and all fields."""
    try:
        with table.open("rb") as file:
            is_json = file.read(4).removeprefix(b"\xef\xbb\xbf").startswith(b"{")
        records = _of_lines(table, wanted) if is_json else _of_rows(table, wanted)
        for number, text, record in records:
            if text is not None and not isinstance(text, str):
                raise CorpusError(
                    table, f"document {number}: {wanted.text_column} is {shorten(text)}, no text"
                )
            if text and text.strip():
                yield number, text, record
    except OSError as error:
        raise CorpusError(table, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CorpusError(table, f"is not {error.encoding} at byte {error.start}") from error


def _of_rows(table: Path, wanted: Wanted) -> Iterator[tuple[int, object, dict[str, Any]]]:
    form = recognise(table, (wanted.text_column,), wanted.told)
    with opened(table, form) as (_, reader):
        try:
            header: list[str] = next(reader, [])
            form = replace(form, header=names_of(header))
            (place,) = find_places(table, form, (wanted.text_column,), advice=ADVICE)
            assert place is not None  # noqa: S101 - it is not optional
            for number, row in enumerate(reader, 1):
                if len(row) > len(header):
                    raise CorpusError(
                        table, f"row {number} has {len(row)} cells, the header {len(header)}"
                    )
                text = row[place] if place < len(row) else None
                yield number, text, dict(zip(header, row, strict=False))
        except csv.Error as error:
            raise CorpusError(table, f"is not CSV at line {reader.line_num}: {error}") from error


def _of_lines(table: Path, wanted: Wanted) -> Iterator[tuple[int, object, dict[str, Any]]]:
    with table.open(encoding="utf-8-sig", newline="") as file:
        for number, line in enumerate(file, 1):
            try:
                value = json.loads(line) if line.strip() else {}
            except (ValueError, RecursionError) as error:
                raise CorpusError(table, f"line {number} is not JSON: {error}") from error
            if not isinstance(value, dict):
                raise CorpusError(table, f"line {number} must be a JSON object")
            yield number, value.get(wanted.text_column), value


def _line(fields: dict[str, Any], table: Path, number: int) -> str:
    try:
        line = json.dumps(fields, ensure_ascii=False, allow_nan=False)
        size = len(line.encode()) + 1
    except ValueError as error:  # half a surrogate pair, or NaN
        raise CorpusError(table, f"document {number} cannot be kept: {error}") from error
    if size > MAX_LINE_BYTES:
        raise CorpusError(
            table, f"document {number} has {size} bytes; at most {MAX_LINE_BYTES} are kept"
        )
    return line + "\n"
