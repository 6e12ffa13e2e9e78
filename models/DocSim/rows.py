"""The rows of a `text/csv` request: pairs of texts, however people's programs separate them.

Two texts separated by a comma are a pair, whatever else is in them. Only a body that cannot be read
so, none of whose rows has a second cell, may have semicolons or tabs instead. A first row that
consists of names of columns is left out if others follow.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from models.bodies import parse_rows
from models.errors import BadInput, shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

    Rows = list[tuple[int, list[str]]]

PAIR = 2
OTHERS = {";": "semicolons", "\t": "tabs"}
HEADER = re.compile(r"(text|claim|sentence|satz)[ _]?([1a])\n\1[ _]?([2b])", re.IGNORECASE)
ENDS = {"1": "2", "a": "b"}


def read_pairs(text: str, maximum: int) -> Rows:
    """The pairs with the numbers of their rows, counted from 1. Raises BadInput."""
    rows = _rows(text, maximum)
    if not rows:
        raise BadInput("The body is empty: send CSV rows of two texts each")
    for number, row in rows:
        if len(row) != PAIR:
            raise BadInput(f"Row {number} has {len(row)} columns instead of 2: {shorten(row)}")
    return rows[1:] if len(rows) > 1 and is_header(rows[0][1]) else rows


def is_header(row: Sequence[str]) -> bool:
    """Whether a row names columns: `text1,text2` and the like. No text of anyone's reads so."""
    found = HEADER.fullmatch("\n".join(cell.strip() for cell in row))
    return found is not None and ENDS[found[2].lower()] == found[3].lower()


def _rows(text: str, maximum: int) -> Rows:
    try:
        rows = parse_rows(text, maximum)
        if any(len(row) > 1 for _, row in rows):
            return rows
        fault = None
    except BadInput as error:  # such as "a";"b", which is no CSV with commas
        rows, fault = [], error
    found = {name: pairs for mark, name in OTHERS.items() if (pairs := _pairs(text, maximum, mark))}
    if len(found) == 1:
        return next(iter(found.values()))
    if len(found) > 1:
        raise BadInput(f"The rows may be separated by {' or by '.join(found)}: use commas")
    if fault is not None:
        raise fault
    return rows


def _pairs(text: str, maximum: int, separator: str) -> Rows:
    """The rows if each of them is a pair by this separator, else nothing."""
    if separator not in text:
        return []
    try:
        rows = parse_rows(text, maximum, separator)
    except BadInput:
        return []
    return rows if all(len(row) == PAIR for _, row in rows) else []
