"""Reading a report that may hold anything JSON can, and writing its values for people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

MAX_TEXT_CHARS = 500
NONE = "not known"
_KB = 1000
_ONE_FIGURE = 10
"""What is less is written with another figure."""
_GAP = "\N{NO-BREAK SPACE}"
"""Between a number and its unit."""
_LARGEST = 1e15
_MINUTE_S, _HOUR_S = 60, 3600


def member(value: object, *path: str) -> object:
    """What lies at a path of keys; None where there is nothing of that kind."""
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def entries(value: object) -> Sequence[object]:
    """The entries of a list; none of anything else."""
    return value if isinstance(value, (list, tuple)) else ()


def items(value: object) -> list[tuple[str, object]]:
    """The members of an object; none of anything else."""
    return [(str(key), item) for key, item in value.items()] if isinstance(value, Mapping) else []


def number(value: object) -> float | None:
    """A finite number; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def numbers(value: object) -> list[float]:
    """The entries of a list as numbers, with NaN in place of what is none."""
    found = (number(entry) for entry in entries(value))
    return [math.nan if entry is None else entry for entry in found]


def text(value: object, max_chars: int = MAX_TEXT_CHARS) -> str:
    """Any value in words, cut."""
    if isinstance(value, str):
        return value if len(value) <= max_chars else value[: max_chars - 1] + "…"
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**18:
        return "a very large number"  # to write it may take long
    if isinstance(value, (bool, int, float)):
        return in_figures(value)
    return f"{len(value)} entries" if isinstance(value, (Mapping, list, tuple)) else "?"


def in_figures(value: object, places: int = 4) -> str:
    """A number as people write it, or that it is none."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    found = number(value)
    if found is None:
        return NONE
    if found and not 10.0**-places <= abs(found) < _LARGEST:
        return f"{found:.3g}"
    if isinstance(value, int) or found.is_integer():
        return f"{found:,.0f}"
    return f"{found:,.{places}f}".rstrip("0").rstrip(".")


def in_percent(value: object) -> str:
    """A share from 0 to 1 in percent."""
    found = number(value)
    return NONE if found is None else f"{in_figures(round(found * 100, 1), 1)}{_GAP}%"


def in_bytes(value: object) -> str:
    """A size: `189 kB`."""
    size = number(value)
    if size is None or size > _LARGEST:
        return NONE
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < _KB or unit == "GB":
            break
        size /= _KB
    places = 1 if unit != "bytes" and size < _ONE_FIGURE else 0
    return f"{size:,.{places}f}{_GAP}{unit}"


def in_time(value: object) -> str:
    """A duration in seconds: `0.25 s`, `12 s`, `4 min 10 s`, `2 h 5 min`."""
    duration_s = number(value)
    if duration_s is None or duration_s > _LARGEST:
        return NONE
    if duration_s < _ONE_FIGURE:
        return f"{in_figures(round(duration_s, 2), 2)}{_GAP}s"
    whole = round(duration_s)
    if whole < _MINUTE_S:
        return f"{whole}{_GAP}s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S}{_GAP}min {whole % _MINUTE_S}{_GAP}s"
    return f"{whole // _HOUR_S:,}{_GAP}h {whole % _HOUR_S // _MINUTE_S}{_GAP}min"


def plural(count: object, one: str, many: str = "") -> str:
    """A count and what is counted: `1 row`, `360 rows`."""
    return f"{in_figures(count)} {one if number(count) == 1 else many or one + 's'}"
