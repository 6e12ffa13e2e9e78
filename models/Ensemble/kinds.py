"""Types of values, as `ensemble.json` writes them, and whether a value or a type fits another.

A type is JSON: one of NAMES, `[T]` for a list of T, or `{"key": T, "other?": T}` for an object with
these keys at least, of which those with a question mark may be missing. `any` is what is not known
before a value is there. Values are JSON's, at most MAX_DEPTH deep; see `values`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeAlias

from models.errors import shorten

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Kind: TypeAlias = "str | list[Kind] | dict[str, Kind]"

ANY, STRING, NUMBER, INTEGER, BOOLEAN, OBJECT, LIST = (
    "any", "string", "number", "integer", "boolean", "object", "list",
)  # fmt: skip
NAMES = (ANY, STRING, NUMBER, INTEGER, BOOLEAN, OBJECT, LIST)
OPTIONAL = "?"
MOST_PARTS = 10_000
"""Of a type that is told of a step."""

_NAMES_OF: Mapping[type, tuple[str, ...]] = {
    bool: (BOOLEAN,),
    int: (INTEGER, NUMBER),
    float: (NUMBER,),
    str: (STRING,),
    list: (LIST,),
    dict: (OBJECT,),
}


class WrongKind(ValueError):
    """Types that do not fit, or what is no type; the message says which."""


def read_kind(said: object) -> Kind:
    """`said` if it is a type. Raises WrongKind."""
    match said:
        case str() if said in NAMES:
            return said
        case [one]:
            return [read_kind(one)]
        case dict():
            return {str(key): read_kind(value) for key, value in said.items()}
        case _:
            raise WrongKind(
                f"{shorten(said, 60)} is no type; there are {', '.join(NAMES)},"
                ' [TYPE] and {"key": TYPE}'
            )


def shown(kind: Kind) -> str:
    """A type in words for errors: as the file has it, cut where it is long."""
    if isinstance(kind, str):
        return kind
    text = ""
    for piece in json.JSONEncoder(ensure_ascii=False).iterencode(kind):
        text += piece
        if len(text) > 100:  # noqa: PLR2004 - a line or so
            return f"{text[:100]}…"
    return text


def bounded(kind: Kind) -> Kind:
    """A type of at most MOST_PARTS; of a larger one no more than that it is a list or an object.

    One that holds another twice, which does the same, is twice as large, and so on: nobody could
    go through it.
    """
    waiting, parts = [kind], 0
    while waiting:
        each = waiting.pop()
        parts += 1
        if parts > MOST_PARTS:
            return _name(kind)
        if isinstance(each, list):
            waiting += each
        elif isinstance(each, dict):
            waiting += each.values()
    return kind


def kind_of(value: object) -> Kind:
    """The type of a constant."""
    match value:
        case list():
            return list_of(kind_of(each) for each in value)
        case dict():
            return {key: kind_of(each) for key, each in value.items()}
        case _:
            return _NAMES_OF.get(type(value), (ANY,))[0]


def list_of(kinds: Iterable[Kind]) -> Kind:
    """The type of a list whose items have these types."""
    first, *others = [*kinds] or [ANY]
    return [first] if all(each == first for each in others) else LIST


def fits(given: Kind, wanted: Kind) -> bool:
    """Whether a value of the type `given` may be one of `wanted`, as far as types tell."""
    match given, wanted:
        case _ if ANY in (given, wanted) or given == wanted:
            return True
        case [item], [wanted_item]:
            return fits(item, wanted_item)
        case dict(), dict():
            return all(_has(given, key, kind) for key, kind in wanted.items())
        case _:
            # A list or object of which no more is known may be of any type of lists or objects.
            names = (_name(given), _name(wanted))
            is_known = isinstance(given, str) and isinstance(wanted, str)
            return names == (INTEGER, NUMBER) or (not is_known and names[0] == names[1])


def _name(kind: Kind) -> str:
    if isinstance(kind, str):
        return kind
    return LIST if isinstance(kind, list) else OBJECT


def _has(given: dict[str, Kind], key: str, wanted: Kind) -> bool:
    name = key.removesuffix(OPTIONAL)
    if name in given:
        return fits(given[name], wanted)
    if name + OPTIONAL in given:
        return key.endswith(OPTIONAL) and fits(given[name + OPTIONAL], wanted)
    return key.endswith(OPTIONAL)


def fault(value: object, wanted: Kind, at: str = "") -> str | None:
    """What keeps a value from being of a type, None if nothing does; `at` is where it is."""
    match wanted:
        case "any":
            return None
        case [item]:
            if isinstance(value, list):
                found = (fault(each, item, f"{at}/{place}") for place, each in enumerate(value))
                return next((each for each in found if each), None)
        case dict():
            if isinstance(value, dict):
                return _fault_of_object(value, wanted, at)
        case str() if wanted in _NAMES_OF.get(type(value), ()):
            return None
    where = f"{at} " if at else ""
    return f"{where}is {shorten(value, 60)}, not {_article(wanted)}"


def _fault_of_object(value: dict[str, object], wanted: dict[str, Kind], at: str) -> str | None:
    for key, kind in wanted.items():
        name = key.removesuffix(OPTIONAL)
        if name not in value:
            if key.endswith(OPTIONAL):
                continue
            return f"{at} lacks {shorten(name, 60)}".lstrip()
        if found := fault(value[name], kind, f"{at}/{name}"):
            return found
    return None


def _article(wanted: Kind) -> str:
    if isinstance(wanted, str):
        return f"an {wanted}" if wanted[0] in "aio" else f"a {wanted}"
    return "an object" if isinstance(wanted, dict) else f"a list of {shown(wanted[0])}"
