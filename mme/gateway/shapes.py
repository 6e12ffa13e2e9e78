"""Whether a request's JSON is what botocore's model of a service says, and what it means.

Tells all that is wrong in the service's words. A value that is right comes back as operations take
it: times as aware datetimes, numbers of the kind the model names.
"""

from __future__ import annotations

import contextlib
import math
import re
import sys
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.model import ListShape, MapShape, Shape, StructureShape

PATTERN_WORDS = {r"\p{ASCII}": r"\x00-\x7f", r"\p{Print}": r"\x20-\x7e", r"\z": r"\Z"}
"""What is written otherwise in Python's patterns; the classes stand for what goes in brackets."""
LETTER_WORDS = {
    r"\p{L}": r"\w",
    r"\p{N}": "",
    r"\p{Z}": " \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000",
}
"""Classes beyond ASCII; they come together, and `\\w` has the numbers too."""
PAIRS = (r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF")
"""Letters beyond the first plane, as a language of 16 bits writes them."""
SHOWN_CHARS = 100
SURROGATE = re.compile("[\ud800-\udfff]")
"""Half of a letter, which JSON can write and UTF-8 cannot."""
GREATEST = sys.float_info.max
MOST_FAILURES = 10
ENUM_CHARS = 2000


def in_python(pattern: str) -> str:
    """A pattern of a service model as Python writes it."""
    pattern = re.sub(r"(?<!\[)\\p\{\w+\}(?!\])", _bracketed, pattern)
    for word, ours in (*PATTERN_WORDS.items(), *LETTER_WORDS.items(), PAIRS):
        pattern = pattern.replace(word, ours)
    return pattern


def _bracketed(found: re.Match[str]) -> str:
    """A class by itself, in brackets; within brackets it stays as it is."""
    before = found.string[: found.start()]
    return found[0] if before.rfind("[") > before.rfind("]") else f"[{found[0]}]"


@lru_cache(maxsize=500)
def compiled(pattern: str) -> re.Pattern[str]:
    """A pattern of a service model."""
    flags = re.NOFLAG if any(word in pattern for word in LETTER_WORDS) else re.ASCII
    return re.compile(in_python(pattern), flags)


class ShapeCheck:
    """The check of one request."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        """What is wrong, in the service's words."""

    def value(self, shape: Shape, value: Any, path: str) -> Any:
        """`value` as operations take it; what is wrong with it is added to `failures`."""
        if len(self.failures) >= MOST_FAILURES:
            return None
        check = getattr(self, f"_{shape.type_name}", None)
        if check is None:
            return self._is_no(path, shape.type_name)
        return check(shape, value, path)

    def _structure(self, shape: StructureShape, value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            return self._is_no(path, "structure")
        members = shape.members
        for name in value:
            if name not in members:
                self.failures.append(
                    f"Unknown member {name[:SHOWN_CHARS]!r} at '{path}': it has"
                    f" {', '.join(members)[:ENUM_CHARS]}"
                )
                return None
        for name in shape.required_members:
            if value.get(name) is None:
                self._fails("null", _below(path, name), "not be null")
        return {
            name: self.value(members[name], given, _below(path, name))
            for name, given in value.items()
            if given is not None
        }

    def _list(self, shape: ListShape, value: Any, path: str) -> Any:
        if not isinstance(value, list):
            return self._is_no(path, "list")
        if not self._has_length(shape, len(value), path, f"'{_shown(value)}'"):
            return None
        return [
            self.value(shape.member, each, f"{path}.{number}.member")
            for number, each in enumerate(value, 1)
        ]

    def _map(self, shape: MapShape, value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            return self._is_no(path, "map")
        if not self._has_length(shape, len(value), path, f"of {len(value)} entries"):
            return None
        return {
            self.value(shape.key, key, f"{path}.key"): self.value(
                shape.value, each, f"{path}.{key[:SHOWN_CHARS]}.member"
            )
            for key, each in value.items()
        }

    def _string(self, shape: Shape, value: Any, path: str) -> Any:
        if not isinstance(value, str) or SURROGATE.search(value):
            return self._is_no(path, "string")
        shown = "" if shape.metadata.get("sensitive") else f"'{_shown(value)}'"
        if not self._has_length(shape, len(value), path, shown):
            return None
        choice, pattern = shape.metadata.get("enum"), shape.metadata.get("pattern")
        if choice and value not in choice:
            self._fails(shown, path, f"satisfy enum value set: [{', '.join(choice)[:ENUM_CHARS]}]")
        elif pattern and not compiled(pattern).fullmatch(value):
            self._fails(shown, path, f"satisfy regular expression pattern: {pattern}")
        return value

    def _boolean(self, _: Shape, value: Any, path: str) -> Any:
        return value if isinstance(value, bool) else self._is_no(path, "boolean")

    def _integer(self, shape: Shape, value: Any, path: str) -> Any:
        if not _is_number(value) or (isinstance(value, float) and not value.is_integer()):
            return self._is_no(path, "integer")
        return self._within(shape, int(value), path)

    def _float(self, shape: Shape, value: Any, path: str) -> Any:
        if not _is_number(value) or not -GREATEST <= value <= GREATEST:
            return self._is_no(path, "number")
        return self._within(shape, float(value), path)

    def _timestamp(self, _: Shape, value: Any, path: str) -> Any:
        if _is_number(value):
            with contextlib.suppress(ValueError, OverflowError, OSError):
                return datetime.fromtimestamp(value, UTC)
        return self._is_no(path, "time, in seconds since the epoch")

    _long, _double = _integer, _float

    def _within(self, shape: Shape, value: float, path: str) -> Any:
        least, most = shape.metadata.get("min"), shape.metadata.get("max")
        if least is not None and value < least:
            self._fails(f"'{value}'", path, f"have value greater than or equal to {least}")
        elif most is not None and value > most:
            self._fails(f"'{value}'", path, f"have value less than or equal to {most}")
        return value

    def _has_length(self, shape: Shape, length: int, path: str, shown: str) -> bool:
        least, most = shape.metadata.get("min", 0), shape.metadata.get("max")
        if length < least:
            self._fails(shown, path, f"have length greater than or equal to {least}")
        elif most is not None and length > most:
            self._fails(shown, path, f"have length less than or equal to {most}")
        else:
            return True
        return False

    def _fails(self, shown: str, path: str, must: str) -> None:
        value = f"Value {shown} at" if shown else "Value at"
        self.failures.append(f"{value} '{path}' failed to satisfy constraint: Member must {must}")

    def _is_no(self, path: str, kind: str) -> None:
        self._fails("", path, f"be a {kind}")


def checked(shape: StructureShape, value: Any) -> tuple[dict[str, Any], str]:
    """The request as an operation takes it, and what is wrong with it, or ""."""
    check = ShapeCheck()
    taken = check.value(shape, value, "")
    failures = check.failures
    if not failures:
        return taken, ""
    errors = "error" if len(failures) == 1 else "errors"
    return {}, f"{len(failures)} validation {errors} detected: {'; '.join(failures)}"


def on_the_wire(value: Any) -> Any:
    """An answer as JSON takes it: times in seconds since the epoch, nothing that is None."""
    if isinstance(value, dict):
        return {name: on_the_wire(each) for name, each in value.items() if each is not None}
    if isinstance(value, list | tuple):
        return [on_the_wire(each) for each in value]
    if isinstance(value, datetime):
        return round(value.timestamp(), 3)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("an answer holds a number that JSON has not")
    return value


def _below(path: str, name: str) -> str:
    word = name[0].lower() + name[1:]
    return f"{path}.{word}" if path else word


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    return str(value)[:SHOWN_CHARS]
