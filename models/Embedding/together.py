"""Several requests in one computing: their texts together, and to each its own vectors back.

What a request says and what its answer looks like is for `model`; which texts of a computing share
a batch, for the engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from models.Embedding.engines import Embedded
from models.Embedding.params import INPUT_TYPES
from models.errors import ServingError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from models.Embedding.engines import Engine


@dataclass(frozen=True, slots=True)
class Lot:
    """The texts of one request, checked."""

    texts: Sequence[str]
    kind: str
    """One of INPUT_TYPES."""
    cuts: bool
    """Whether a text that is too long is cut; else it is an error."""


Given = TypeVar("Given")
Told = TypeVar("Told")
L = TypeVar("L", bound=Lot)


def answered_together(
    engine: Engine,
    given: Sequence[Given],
    read: Callable[[Given], L],
    tell: Callable[[L, Embedded], Told],
) -> list[Told | None]:
    """What `tell` makes of each lot that is read; None where either refuses with a ServingError.

    Raises what computing raises.
    """
    lots = [_read(read, each) for each in given]
    told: list[Told | None] = [None] * len(given)
    for kind in INPUT_TYPES:
        alike = [(place, lot) for place, lot in enumerate(lots) if lot and lot.kind == kind]
        if not alike:
            continue
        found = engine.embed([text for _, lot in alike for text in lot.texts], kind)
        begin = 0
        for place, lot in alike:
            end = begin + len(lot.texts)
            part = Embedded(found.vectors[begin:end], found.were_cut[begin:end])
            told[place] = _told(tell, lot, part)
            begin = end
    return told


def _read(read: Callable[[Given], L], given: Given) -> L | None:
    try:
        return read(given)
    except ServingError:
        return None


def _told(tell: Callable[[L, Embedded], Told], lot: L, found: Embedded) -> Told | None:
    try:
        return tell(lot, found)
    except ServingError:
        return None
