"""The paths of InputFilter and OutputFilter: the subset of JSONPath that the service takes.

No more than that: a path that is taken here and refused there would fail a job when it matters.
`$`, `.name`, `['name','other']`, `[0,-1]`, `[1:]`, `*`; no descent (`..`), no condition, no
underscore in a name, one range in a bracket.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from mme.jobs.transform.errors import BadInput, TransformRefused

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_CHARS = 63
ALLOWED = re.compile(r"[A-Za-z0-9$\[\]*.,:'\- ]*", re.ASCII)
NAME = re.compile(r"\.([A-Za-z][A-Za-z0-9-]*)", re.ASCII)
NAMES = re.compile(r"\.?\[ *('[^'\[\]]+'(?: *, *'[^'\[\]]+')*) *\]")
NUMBERS = re.compile(r"\.?\[ *(-?\d+|-?\d*:-?\d*)((?: *, *(?:-?\d+|-?\d*:-?\d*))*) *\]", re.ASCII)
EVERY = re.compile(r"\.?\[ *\* *\]|\.\*")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a path, to one value or to several."""

    kind: Literal["names", "numbers", "every"]
    names: tuple[str, ...] = ()
    numbers: tuple[int | slice, ...] = ()

    @property
    def is_one(self) -> bool:
        """Whether it leads to one value."""
        return len(self.names) == 1 or (len(self.numbers) == 1 and isinstance(self.numbers[0], int))


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A path, read. `$` is the whole."""

    text: str
    steps: tuple[Step, ...]

    def __bool__(self) -> bool:
        """Whether it selects anything less than the whole."""
        return bool(self.steps)

    def select(self, value: Any) -> Any:
        """What it leads to within `value`. Raises BadInput if that is nowhere."""
        found, is_one = [value], True
        for position, step in enumerate(self.steps):
            is_last = position == len(self.steps) - 1
            if step.is_one:
                found = [self._one(each, step) for each in found]
            elif is_last and step.kind == "names":
                found = [self._object(each, step.names) for each in found]
            else:
                is_one = False
                found = [inner for each in found for inner in self._several(each, step)]
        return found[0] if is_one else found

    def _one(self, value: Any, step: Step) -> Any:
        (key,) = step.names or step.numbers
        is_fitting = isinstance(value, dict if step.names else list)
        try:
            return value[key] if is_fitting else self._missing(key)
        except (KeyError, IndexError):
            return self._missing(key)

    def _object(self, value: Any, names: Iterable[str]) -> dict[str, Any]:
        if not isinstance(value, dict):
            self._missing(", ".join(names))
        return {name: value[name] if name in value else self._missing(name) for name in names}

    def _several(self, value: Any, step: Step) -> Iterable[Any]:
        if step.kind == "every" and isinstance(value, dict):
            return list(value.values())
        if step.kind == "names":
            return self._object(value, step.names).values()
        if not isinstance(value, list):
            self._missing("a list")
        if step.kind == "every":
            return list(value)
        found: list[Any] = []
        for number in step.numbers:
            if isinstance(number, slice):
                found += value[number]
            elif -len(value) <= number < len(value):
                found.append(value[number])
            else:
                self._missing(number)
        return found

    def _missing(self, what: object) -> Any:
        raise BadInput(f"{self.text} leads nowhere: there is no {what}")


def read_path(text: str, parameter: str) -> JsonPath:
    """The path that `parameter` is. Raises TransformRefused with what the service does not take."""
    if len(text) > MOST_CHARS:
        raise TransformRefused(f"{parameter} has {len(text)} characters; {MOST_CHARS} are allowed")
    if odd := ALLOWED.sub("", text):
        raise TransformRefused(
            f"{parameter} {text!r} has {odd[0]!r}: letters, digits and $ [ ] * . , : - ' are"
            " allowed, no underscore either"
        )
    if not text.startswith("$"):
        raise TransformRefused(f"{parameter} {text!r} does not begin with $")
    steps, at = list[Step](), 1
    rest = text.rstrip()
    while at < len(rest):
        step, at = _step(rest, at, parameter)
        steps.append(step)
    if sum(len(step.numbers) > 1 for step in steps) > 1:  # each would multiply what there is
        raise TransformRefused(f"{parameter} {text!r} has several brackets with several indexes")
    return JsonPath(text, tuple(steps))


def _step(text: str, at: int, parameter: str) -> tuple[Step, int]:
    if found := NAME.match(text, at):
        return Step("names", (found[1],)), found.end()
    if found := NAMES.match(text, at):
        return Step("names", tuple(re.findall(r"'([^']+)'", found[1]))), found.end()
    if found := EVERY.match(text, at):
        return Step("every"), found.end()
    if found := NUMBERS.match(text, at):
        numbers = tuple(_number(each) for each in (found[1] + found[2]).split(","))
        if sum(isinstance(each, slice) for each in numbers) > 1:
            raise TransformRefused(f"{parameter} {text!r} has several ranges in one bracket")
        return Step("numbers", (), numbers), found.end()
    raise TransformRefused(f"{parameter} {text!r} cannot be read from {text[at:]!r} on")


def _number(text: str) -> int | slice:
    if ":" not in text:
        return int(text)
    begin, _, end = text.strip().partition(":")
    return slice(int(begin) if begin else None, int(end) if end else None)
