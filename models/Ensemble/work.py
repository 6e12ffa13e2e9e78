"""What a step does: the interface, and the work that only rearranges values.

`ValueWork` makes a value of earlier ones, `TextWork` joins texts, `RankWork` orders a list. Asking
a member is in `asking`. A work is checked when the artifact is admitted: `kind` is its type then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from models.Ensemble.kinds import (
    ANY,
    BOOLEAN,
    INTEGER,
    LIST,
    NUMBER,
    OBJECT,
    STRING,
    Kind,
    WrongKind,
    fits,
    shown,
)
from models.Ensemble.templates import Reference, Template, fill, kind, said
from models.Ensemble.values import (
    MAX_BYTES,
    TooMuchBetweenSteps,
    UnusableValue,
    check_value,
)
from models.errors import BadInput, shorten

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from models.serving import LoadedModel

    Values = Mapping[str, Any]
    Kinds = Mapping[str, Kind]
    Members = Mapping[str, LoadedModel]

RANK_OFFSET = 60
DESCENDING, ASCENDING = "descending", "ascending"


class Work(Protocol):
    """What one step does."""

    @property
    def templates(self) -> tuple[Template, ...]:
        """Everything that may refer to earlier values."""

    @property
    def member(self) -> str | None:
        """The member it asks, if any."""

    def kind(self, kinds: Kinds, members: Members) -> Kind:
        """The type of what it makes, of values of these types. Raises WrongKind."""

    def do(self, values: Values, members: Members) -> Any:
        """Make it. Raises ServingError."""


@dataclass(frozen=True, slots=True)
class ValueWork:
    """A constant, something picked out of earlier values, or several put together."""

    value: Template
    member: None = None

    @property
    def templates(self) -> tuple[Template, ...]:
        """See Work."""
        return (self.value,)

    def kind(self, kinds: Kinds, _: Members) -> Kind:
        """See Work."""
        return kind(self.value, kinds)

    def do(self, values: Values, _: Members) -> Any:
        """See Work."""
        return fill(self.value, values)


@dataclass(frozen=True, slots=True)
class TextWork:
    """Texts, and those in lists, one after the other; null and blank ones are left out."""

    parts: list[Template]
    separator: str
    member: None = None

    @property
    def templates(self) -> tuple[Template, ...]:
        """See Work."""
        return (self.parts,)

    def kind(self, kinds: Kinds, _: Members) -> Kind:
        """See Work."""
        for part in self.parts:
            found = kind(part, kinds)
            inner = found
            while isinstance(inner, list):
                inner = inner[0]
            if inner not in (ANY, LIST, STRING, NUMBER, INTEGER):
                raise WrongKind(
                    f"text takes texts and lists of them; {said(part)} is {shown(found)}"
                )
        return STRING

    def do(self, values: Values, _: Members) -> str:
        """See Work."""
        parts = fill(self.parts, values)
        check_value(parts, "What is joined")
        texts = list(_texts(parts))
        if len(self.separator) * len(texts) > MAX_BYTES:
            raise TooMuchBetweenSteps("What is joined")
        return self.separator.join(texts)


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            if value.strip():
                yield value
        case list():
            for each in value:
                yield from _texts(each)
        case bool() | dict():
            raise UnusableValue(f"text takes texts and lists of them, not {shorten(value, 60)}")
        case int() | float():
            yield str(value)


@dataclass(frozen=True, slots=True)
class RankWork:
    """A list in the order of something in its items; those without it come last.

    By several things: in the order of their reciprocal ranks, added up (Cormack et al. 2009).
    """

    items: Template
    by: tuple[Reference, ...]
    """From an item; their name says nothing."""
    order: str
    top: Template
    least: Template
    """The least of the first of `by` that is kept; null keeps all."""
    member: None = None

    @property
    def templates(self) -> tuple[Template, ...]:
        """See Work."""
        return (self.items, self.top, self.least)

    def kind(self, kinds: Kinds, _: Members) -> Kind:
        """See Work."""
        items = kind(self.items, kinds)
        if not fits(items, LIST):
            raise WrongKind(f"rank takes a list; {said(self.items)} is {shown(items)}")
        for name, template, wanted in (("top", self.top, INTEGER), ("least", self.least, NUMBER)):
            found = kind(template, kinds)
            if not fits(found, wanted):
                raise WrongKind(f"{name} takes a {wanted}; {said(template)} is {shown(found)}")
        item = items[0] if isinstance(items, list) else ANY
        for by in self.by:
            found = kind(by, {by.name: item})
            if isinstance(found, (list, dict)) or found in (OBJECT, LIST, BOOLEAN):
                raise WrongKind(f"by takes numbers or texts; {by} is {shown(found)}")
        return items

    def do(self, values: Values, _: Members) -> list[Any]:
        """See Work."""
        items, top, least = fill([self.items, self.top, self.least], values)
        if not isinstance(items, list):
            raise UnusableValue(f"rank takes a list, not {shorten(items, 60)}")
        if top is not None and (isinstance(top, bool) or not isinstance(top, int) or top < 0):
            raise BadInput(f"top takes a whole number from 0, not {shorten(top, 60)}")
        if least is not None:
            items = self._above(items, _number(least))
        orders = [self._order(by, items) for by in self.by]
        if len(orders) > 1:
            merits = [0.0] * len(items)
            for order in orders:
                for rank, place in enumerate(order, 1):
                    merits[place] += 1 / (RANK_OFFSET + rank)
            orders = [sorted(range(len(items)), key=lambda place: -merits[place])]
        return [items[place] for place in orders[0][:top]]

    def _above(self, items: list[Any], least: float) -> list[Any]:
        keys = [fill(self.by[0], {self.by[0].name: item}) for item in items]
        pairs = zip(items, keys, strict=True)
        return [item for item, key in pairs if key is not None and _number(key) >= least]

    def _order(self, by: Reference, items: list[Any]) -> list[int]:
        """The places of the items, best first."""
        keys = [fill(by, {by.name: item}) for item in items]
        places = [place for place, key in enumerate(keys) if key is not None]
        try:
            places.sort(key=keys.__getitem__, reverse=self.order == DESCENDING)
        except TypeError:
            raise UnusableValue(f"{by} is not all numbers, or all texts") from None
        return places + [place for place, key in enumerate(keys) if key is None]


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise BadInput(f"least is for numbers, not for {shorten(value, 60)}")
    return value
