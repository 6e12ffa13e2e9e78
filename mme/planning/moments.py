"""Moments and durations as traces write them.

Moments are ISO-8601, or seconds, milliseconds, … since 1970.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

LARGEST_S = 1e11
"""More seconds than that are milliseconds; more of those microseconds, and so on."""
LONGEST_S = 86_400.0
"""A day. Nothing of a request takes longer; a replay looks at what is computed all the while."""


def seconds_of(said: Any) -> float:
    """Seconds; a moment without a zone is in UTC, as only distances count. Raises ValueError."""
    if isinstance(said, str):
        try:
            seconds = float(said)
        except ValueError:
            return _of_iso(said.strip())
    elif isinstance(said, int | float) and not isinstance(said, bool):
        seconds = float(said)
    else:
        raise ValueError(f"{said!r} is no time")  # noqa: TRY004 - a value of the file
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"{said!r} is no time")
    while seconds > LARGEST_S:
        seconds /= 1000
    return seconds


def duration_of(said: Any, unit: float = 1.0) -> float:
    """Seconds, `unit` of them for one; NaN: it is not said. Raises ValueError, TypeError."""
    if said in ("", None):
        return math.nan
    seconds = float(said) * unit
    if not 0 <= seconds <= LONGEST_S:
        raise ValueError(f"{str(said)[:60]!r} is no duration from 0 s to a day")
    return seconds


def _of_iso(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text[:60]!r} is no time: write ISO-8601 or seconds since 1970"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
