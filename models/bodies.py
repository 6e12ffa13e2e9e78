"""Bodies: from bytes to text, JSON or rows that can be used, and answers back to text.

Everything that is wrong with a body is a BadInput that says what and where. Which keys or columns
there should be is for the families.
"""

from __future__ import annotations

import csv
import encodings
import io
import json
import re
from typing import TYPE_CHECKING, Any, NoReturn

from models.charsets import REQUEST_CHARSETS, spellings
from models.errors import BadInput, shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from models.media import MediaType

_SPELLINGS = spellings(REQUEST_CHARSETS)
_UNUSABLE = re.compile("[\0\ud800-\udfff]")
_MAX_FIELD_CHARS = 2**31 - 1


def decode(body: bytes, media: MediaType) -> str:
    """The body as text in the charset its type names (UTF-8 if none), without a byte-order mark."""
    wanted = media.parameters.get("charset", "utf-8")
    name = encodings.normalize_encoding(wanted.lower()).replace(".", "_")
    charset = _SPELLINGS.get(name)
    if charset is None:
        raise BadInput(f"The charset {shorten(wanted)} is not supported; send UTF-8")
    try:
        text = body.decode(charset)
    except UnicodeDecodeError as error:
        raise BadInput(
            f"The body is not {charset}: byte {error.start} is"
            f" {shorten(body[error.start : error.start + 8])} ({error.reason})"
        ) from error
    return text.removeprefix("\ufeff")


def decode_text(text: bytes, what: str) -> str:
    """A text that is sent as bytes by itself: UTF-8."""
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise BadInput(
            f"{what} is not UTF-8: byte {error.start} is"
            f" {shorten(text[error.start : error.start + 8])} ({error.reason})"
        ) from error


def check_text(text: object, what: str, max_chars: int) -> str:
    """`text` if it is a usable string of at most `max_chars` characters; it may be blank."""
    if not isinstance(text, str):
        raise BadInput(f"{what} must be a string, not {_kind(text)}")
    if len(text) > max_chars:
        raise BadInput(f"{what} has {len(text)} characters; at most {max_chars} are taken")
    if found := _unusable(text):
        raise BadInput(f"{what} holds U+{ord(found[0]):04X} at character {found.start()}")
    return text


def check_texts(texts: Sequence[object], name: Callable[[int], str], max_chars: int) -> list[str]:
    """`texts` if `check_text` lets all of them pass; `name` says what the n-th of them is."""
    return [
        text
        if isinstance(text, str) and len(text) <= max_chars and not _unusable(text)
        else check_text(text, name(index), max_chars)
        for index, text in enumerate(texts)
    ]


def parse_json(text: str) -> Any:
    """The value `text` denotes; NaN and infinities are refused, as JSON has none."""

    def refuse(constant: str) -> NoReturn:
        raise BadInput(f"The body is not JSON: {constant} is no JSON value")

    try:
        return json.loads(text, parse_constant=refuse)
    except ValueError as error:
        raise BadInput(f"The body is not JSON: {error}; it begins {shorten(text, 60)}") from error
    except RecursionError as error:
        raise BadInput("The body is JSON nested too deeply") from error


def check_keys(value: dict[str, Any], known: Sequence[str]) -> None:
    """Refuse keys outside `known`: a misspelt option should not pass in silence."""
    unknown = [key for key in value if key not in known]
    if unknown:
        raise BadInput(f"Unknown key {shorten(unknown[0], 60)}; known keys: {', '.join(known)}")


def check_count(value: object, key: str, maximum: int) -> int:
    """`value` if it is a whole number from 1 to `maximum`."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= maximum:
        raise BadInput(f"{key} must be a whole number from 1 to {maximum}, not {shorten(value)}")
    return value


def parse_rows(text: str, maximum: int, separator: str = ",") -> list[tuple[int, list[str]]]:
    """The rows of a CSV with their numbers, counted from 1; blank lines count but are left out.

    Refuses more than `maximum` rows that are not blank, without keeping them.
    """
    if found := _unusable(text):
        raise BadInput(f"The body holds U+{ord(found[0]):04X} at character {found.start()}")
    csv.field_size_limit(_MAX_FIELD_CHARS)  # the module's limit of 128 KiB is less than a text
    # Strict: otherwise a quote that is never closed would take in the rest of the body silently.
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator)
    rows: list[tuple[int, list[str]]] = []
    count = 0
    try:
        for number, row in enumerate(reader, 1):
            if len(row) > 1 or "".join(row):
                count += 1
                if count <= maximum:
                    rows.append((number, row))
    except csv.Error as error:
        raise BadInput(f"The body is not CSV at line {reader.line_num}: {error}") from error
    if count > maximum:
        raise BadInput(f"{count} rows are too many; at most {maximum} are taken at once")
    return rows


def to_json(value: object) -> str:
    """JSON on one line, letters as they are."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def json_pieces(
    key: str, items: Iterable[object], others: Mapping[str, object] | None = None
) -> Iterator[str]:
    """What `to_json({key: [*items], **others})` gives, a piece an item, made in its turn."""
    before = f"{{{to_json(key)}: ["
    for item in items:
        yield before + to_json(item)
        before = ", "
    end = f"], {to_json(others)[1:]}" if others else "]}"
    yield end if before == ", " else before + end


def to_csv(rows: Iterable[Sequence[object]]) -> str:
    r"""CSV with `\n` line ends."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def _unusable(text: str) -> re.Match[str] | None:
    """The first character no text may have: NUL, or half a surrogate pair."""
    if "\0" not in text:
        try:
            text.encode()  # takes a tenth of the time the expression does
        except UnicodeEncodeError:
            pass
        else:
            return None
    return _UNUSABLE.search(text)


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", type(None): "null", bool: "a boolean"}
    return names.get(type(value), f"a number ({shorten(value, 40)})")
