"""How many leave, and whether a load may start: memory decisions, pure.

Thresholds come in a pair: above *high* models leave until use is below *low*. A load asks for room
first. A model that was used a moment ago is not thrown out for another one: two of them would only
take turns; the load waits instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mme.core.memory import MemoryReading
    from mme.residency.policy import Candidate

DEFAULT_LOAD_BYTES = 4 * 1024 * 1024
UNPACKED_SHARE = 1.0
"""Guess for a model never loaded here: this much of its size on disk, mapped pages aside."""


@dataclass(frozen=True, slots=True)
class Watermarks:
    """Shares of the limit, and how long a use protects a model from leaving for another."""

    high: float
    low: float
    settle_s: float


@dataclass(frozen=True, slots=True)
class Decision:
    """Who leaves, and whether what was asked for fits once they have."""

    leave: tuple[Candidate, ...]
    fits: bool


def relieve(
    reading: MemoryReading, marks: Watermarks, in_order: Sequence[Candidate]
) -> tuple[Candidate, ...]:
    """Who leaves because memory is short as it is; `in_order`: least valuable first.

    `reading` must not count what is leaving already.
    """
    if reading.used_bytes <= marks.high * reading.limit_bytes:
        return ()
    leave: list[Candidate] = []
    excess = reading.used_bytes - marks.low * reading.limit_bytes
    for candidate in in_order:
        if excess <= 0:
            break
        leave.append(candidate)
        excess -= candidate.own_bytes
    return tuple(leave)


def make_room(
    reading: MemoryReading,
    marks: Watermarks,
    needed_bytes: int,
    in_order: Sequence[Candidate],
    now_s: float,
) -> Decision:
    """Who leaves so that `needed_bytes` more stay below the high watermark.

    Nobody leaves in vain: if not enough may leave now, none does. A model that alone is larger than
    the limit allows is let in when nobody else is left to leave: the kernel's word counts, not our
    guess.
    """
    excess = reading.used_bytes + needed_bytes - marks.high * reading.limit_bytes
    if excess <= 0:
        return Decision((), fits=True)
    leave: list[Candidate] = []
    for candidate in in_order:
        if now_s - candidate.last_used_s < marks.settle_s:
            continue
        leave.append(candidate)
        excess -= candidate.own_bytes
        if excess <= 0:
            return Decision(tuple(leave), fits=True)
    return Decision((), fits=False)


def predicted_bytes(known_bytes: int | None, unpacked_bytes: int) -> int:
    """What loading an artifact will take: as last time, else a guess from its size on disk."""
    if known_bytes is not None:
        return known_bytes
    return DEFAULT_LOAD_BYTES + int(UNPACKED_SHARE * unpacked_bytes)
