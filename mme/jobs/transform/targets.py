"""Which model a record goes to: one for all, one for each input by its key, or by a column."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass
from typing import Any, Protocol

from mme.jobs.transform import spec
from mme.jobs.transform.errors import BadInput, TransformRefused
from mme.jobs.transform.spec import CSV, format_of

csv.field_size_limit(spec.MOST_MB * spec.MIB)  # the module's own, 128 KiB, is less than a text
FIELD = re.compile(r"\{([^{}]*)\}")
FIELDS = ("folder", "name", "stem", "key")


class RecordTargets(Protocol):
    """The targets of one input's records, asked in their order."""

    def of(self, record: bytes) -> tuple[str, bytes] | None:
        """The target of a record, and what of it is sent; None: it is no record but a header.

        Raises BadInput.
        """


class Targets(Protocol):
    """The targets of inputs."""

    def of_input(self, key: str) -> RecordTargets:
        """Those of the input with this key. Raises BadInput."""


@dataclass(frozen=True, slots=True)
class OneTarget:
    """The same for all."""

    target: str

    def of_input(self, key: str) -> OneTarget:
        """See Targets."""
        del key
        return self

    def of(self, record: bytes) -> tuple[str, bytes]:
        """See RecordTargets."""
        return self.target, record


@dataclass(frozen=True, slots=True)
class TargetPattern:
    """From the key: `{folder}`, `{name}` (with endings), `{stem}` (without), `{key}` (all)."""

    pattern: str

    def __post_init__(self) -> None:
        fields = FIELD.findall(self.pattern)
        odd = [field for field in fields if field not in FIELDS]
        if odd or not fields:
            wrong = f"has no {{{odd[0]}}} to fill in" if odd else "has nothing to fill in"
            raise TransformRefused(
                f"the target pattern {self.pattern!r} {wrong}: use {{folder}}, {{name}}, {{stem}}"
                " or {key}"
            )

    def of_input(self, key: str) -> OneTarget:
        """See Targets."""
        folder, _, name = key.rpartition("/")
        facts = {"folder": folder, "name": name, "stem": name.partition(".")[0], "key": key}
        return OneTarget(FIELD.sub(lambda found: facts[found[1]], self.pattern).lstrip("/"))


@dataclass(frozen=True, slots=True)
class TargetColumn:
    """Named in each record: a column of a CSV with a header line, or a key of JSON objects.

    It is taken out of what is sent.
    """

    name: str
    content_type: str

    def __post_init__(self) -> None:
        if not format_of(self.content_type):
            raise TransformRefused(
                "a target column needs the content type text/csv, application/json or"
                f" application/jsonlines; it is {self.content_type!r}"
            )

    def of_input(self, key: str) -> RecordTargets:
        """See Targets."""
        del key
        if format_of(self.content_type) == CSV:
            return _Column(self.name)
        return _Key(self.name)


class _Column:
    def __init__(self, name: str) -> None:
        self._name = name
        self._index: int | None = None

    def of(self, record: bytes) -> tuple[str, bytes] | None:
        row = csv_row(record)
        if self._index is None:
            header = [name.strip().removeprefix("\ufeff") for name in row]
            if self._name not in header:
                raise BadInput(
                    f"its header line has no column {self._name!r}; it has {', '.join(header)}"
                )
            self._index = header.index(self._name)
            return None
        if self._index >= len(row):
            raise BadInput(f"a row has no column {self._name!r}: it has {len(row)} columns")
        target = row.pop(self._index)
        return target, csv_line(row)


@dataclass(frozen=True, slots=True)
class _Key:
    name: str

    def of(self, record: bytes) -> tuple[str, bytes]:
        found = json_value(record)
        if not isinstance(found, dict) or not isinstance(found.get(self.name), str):
            raise BadInput(f"a record is no JSON object with a text {self.name!r}")
        target = found.pop(self.name)
        return target, json_line(found)


def csv_row(line: bytes) -> list[str]:
    """The columns of one line. Raises BadInput."""
    try:
        rows = list(csv.reader([line.decode().rstrip("\r\n")], strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"a row is no CSV in UTF-8: {error}") from None
    return rows[0] if rows else []


def csv_line(row: list[str]) -> bytes:
    """A row as a line, without its end."""
    return ",".join(map(_field, row)).encode()


def _field(value: str) -> str:
    is_plain = not any(letter in value for letter in ',"\r\n')
    return value if is_plain else '"' + value.replace('"', '""') + '"'


def json_value(content: bytes) -> Any:
    """What a JSON document says. Raises BadInput."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"a record is no JSON: {error}") from None


def json_line(value: object) -> bytes:
    """A value as JSON on one line."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
