"""Templates: values with references to earlier ones in them.

A string that begins with `$` is a reference, `$name` or `$name/key/0/other`: into objects by key
(`~1` is a slash, `~0` a tilde), into lists by number, and with `*` into each item of a list. With
`?` at its end it is null where something on the way is missing. `$$` is a dollar sign that begins a
text. Everything else stands for itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from models.Ensemble.kinds import ANY, LIST, OPTIONAL, Kind, WrongKind, kind_of, list_of, shown
from models.Ensemble.values import UnusableValue, check_items
from models.errors import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Template: TypeAlias = Any
"""JSON whose strings may be References instead."""
NAME = r"[A-Za-z][A-Za-z0-9_-]{0,63}"
EACH = "*"

_REFERENCE = re.compile(rf"\$({NAME})((?:/[^/]*)*)", re.DOTALL)
_NUMBER = re.compile(r"[0-9]{1,9}")


class Missing(UnusableValue):
    """There is nothing where a reference leads."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a value is taken from."""

    name: str
    """An input, a step, or what stands for an item of a list."""
    path: tuple[str, ...] = ()
    is_optional: bool = False
    said: str = ""
    """As it was written."""

    def __str__(self) -> str:
        return self.said


def read_template(said: object) -> Template:
    """The template that JSON is. Raises ValueError for a reference that cannot be read."""
    match said:
        case str() if said.startswith("$$"):
            return said[1:]
        case str() if said.startswith("$"):
            return read_reference(said)
        case list():
            return [read_template(each) for each in said]
        case dict():
            return {key: read_template(each) for key, each in said.items()}
        case _:
            return said


def read_reference(said: object) -> Reference:
    """The reference that a string is. Raises ValueError."""
    text = said if isinstance(said, str) else ""
    found = _REFERENCE.fullmatch(text.removesuffix(OPTIONAL))
    if found is None:
        raise ValueError(
            f"{shorten(said, 60)} is no reference such as $step/key; a text that begins with a"
            " dollar sign has two of them"
        )
    path = [each.replace("~1", "/").replace("~0", "~") for each in found[2].split("/")[1:]]
    return Reference(found[1], tuple(path), text.endswith(OPTIONAL), text)


def references(template: Template) -> Iterator[Reference]:
    """All references in a template."""
    match template:
        case Reference():
            yield template
        case list():
            for each in template:
                yield from references(each)
        case dict():
            for each in template.values():
                yield from references(each)


def said(template: Template) -> str:
    """What errors call a template."""
    return str(template) if isinstance(template, Reference) else "what stands there"


def fill(template: Template, values: Mapping[str, Any]) -> Any:
    """The value of a template. Raises Missing."""
    match template:
        case Reference():
            return _follow(values[template.name], template, 0)
        case list():
            return [fill(each, values) for each in template]
        case dict():
            return {key: fill(each, values) for key, each in template.items()}
        case _:
            return template


def _follow(value: Any, reference: Reference, place: int) -> Any:
    path = reference.path
    while place < len(path):
        key = path[place]
        place += 1
        is_list = isinstance(value, list) or (isinstance(value, np.ndarray) and value.ndim > 0)
        if key == EACH and is_list:
            check_items(len(value), str(reference))
            return [_follow(each, reference, place) for each in value]
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif is_list and _NUMBER.fullmatch(key) and int(key) < len(value):
            value = value[int(key)]
        elif reference.is_optional:
            return None
        else:
            there = shorten(list(value) if isinstance(value, dict) else value, 80)
            raise Missing(f"There is no {shorten(key, 60)} for {reference}: there is {there}")
    if isinstance(value, np.generic):
        return value.item()
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def kind(template: Template, kinds: Mapping[str, Kind]) -> Kind:
    """The type of what a template becomes. Raises WrongKind."""
    match template:
        case Reference():
            return _kind_at(kinds[template.name], template, 0)
        case list():
            return list_of(kind(each, kinds) for each in template)
        case dict():
            return {key: kind(each, kinds) for key, each in template.items()}
        case _:
            return kind_of(template)


def _kind_at(found: Kind, reference: Reference, place: int) -> Kind:
    for number, key in enumerate(reference.path[place:], place + 1):
        if key == EACH and _may_be_list(found):
            item = found[0] if isinstance(found, list) else ANY
            return [_kind_at(item, reference, number)]
        found = _kind_within(found, key, reference)
    return ANY if reference.is_optional else found


def _kind_within(found: Kind, key: str, reference: Reference) -> Kind:
    """The type of one key or item of a value of the type `found`. Raises WrongKind."""
    match found:
        case "any" | "object" if key != EACH:
            return ANY
        case "list" | [_] if _NUMBER.fullmatch(key):
            return found[0] if isinstance(found, list) else ANY
        case dict() if key in found:
            return found[key]
        case dict() if key + OPTIONAL in found:
            if reference.is_optional:
                return found[key + OPTIONAL]
            raise WrongKind(f"{reference}: {key} may be missing; write {reference}?")
        case _:
            raise WrongKind(f"{reference} takes {shorten(key, 60)} of {shown(found)}")


def _may_be_list(found: Kind) -> bool:
    return found in (ANY, LIST) or isinstance(found, list)
