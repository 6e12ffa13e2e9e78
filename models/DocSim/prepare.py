"""Preparing documents: from a table of texts to the two files `documents` serves.

The table is a CSV file with a header line, or has a JSON object in each line; the text is in
`claim_text`, and whatever else is there is kept as the document's own fields. Documents without a
text are left out. Vectors are made as a request's would be, by the parameters of the same model.
"""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from models.DocSim.documents import FIELDS_FILE, MAX_LINE_BYTES, VECTORS_FILE
from models.DocSim.mapping import map_vectors
from models.DocSim.params import parse_params
from models.DocSim.texts import TEXTS_AT_ONCE, TextReader
from models.errors import CorpusError, shorten
from models.params import read_params

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path
    from typing import TextIO

    from numpy.typing import NDArray

TEXT_FIELD = "claim_text"
SHOWN_COLUMNS, SHOWN_CHARS = 20, 60
_MAX_FIELD_CHARS = 2**31 - 1


def prepare_documents(model_dir: Path, table: Path, fields: Collection[str] | None = None) -> int:
    """Put the documents of `table` into an unpacked artifact; returns how many there are.

    Only `fields` of them are kept, all by default. Raises CorpusError and ArtifactError.
    """
    params = parse_params(read_params(model_dir, "DocSim"))
    reader = TextReader(params, map_vectors(model_dir / "DocSim-model", None))
    return write_documents(model_dir, table, reader, fields)


def write_documents(
    model_dir: Path, table: Path, reader: TextReader, fields: Collection[str] | None
) -> int:
    """As `prepare_documents`, for a model that is in memory."""
    parts: list[NDArray[np.float32]] = []
    texts: list[str] = []
    with (model_dir / FIELDS_FILE).open("w", encoding="utf-8", newline="\n") as lines:
        for number, record in read_documents(table):
            text = record[TEXT_FIELD]
            texts.append(text.replace("\0", " "))
            kept = record if fields is None else {k: v for k, v in record.items() if k in fields}
            lines.write(_line(kept, table, number))
            if len(texts) == TEXTS_AT_ONCE:
                parts.append(reader.second(texts).units)
                texts = []
    parts.append(reader.second(texts).units)
    units = np.concatenate(parts)
    if not len(units):
        raise CorpusError(table, f"has no document with a text in {TEXT_FIELD!r}")
    np.save(model_dir / VECTORS_FILE, units, allow_pickle=False)
    return len(units)


def read_documents(table: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The documents that have a text, each with its number (row or line, from 1)."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            begin = file.read(1)
            file.seek(0)
            records = _of_lines(file, table) if begin == "{" else _of_rows(file, table)
            for number, record in records:
                text = record.get(TEXT_FIELD)
                if text is not None and not isinstance(text, str):
                    raise CorpusError(
                        table, f"document {number}: {TEXT_FIELD} is {shorten(text)}, no text"
                    )
                if text and text.strip():
                    yield number, record
    except OSError as error:
        raise CorpusError(table, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CorpusError(table, f"is not UTF-8 at byte {error.start}") from error


def _of_rows(file: TextIO, table: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    csv.field_size_limit(_MAX_FIELD_CHARS)
    reader = csv.reader(file, strict=True)
    try:
        header = next(reader, [])
        if TEXT_FIELD not in header:
            found = ", ".join(name[:SHOWN_CHARS] for name in header[:SHOWN_COLUMNS]) or "none"
            raise CorpusError(table, f"has no column {TEXT_FIELD!r}; its columns: {found}")
        for number, row in enumerate(reader, 1):
            if len(row) > len(header):
                raise CorpusError(
                    table, f"row {number} has {len(row)} cells, the header {len(header)}"
                )
            yield number, dict(zip(header, row, strict=False))
    except csv.Error as error:
        raise CorpusError(table, f"is not CSV at line {reader.line_num}: {error}") from error


def _of_lines(file: TextIO, table: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(file, 1):
        try:
            value = json.loads(line) if line.strip() else {}
        except (ValueError, RecursionError) as error:
            raise CorpusError(table, f"line {number} is not JSON: {error}") from error
        if not isinstance(value, dict):
            raise CorpusError(table, f"line {number} must be a JSON object")
        yield number, value


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
