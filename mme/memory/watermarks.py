"""Which models leave, and whether a load may start: decisions on bytes and tasks, pure.

Thresholds come in a pair: when more than *high* is used, models leave until use is below *low*. A
load asks for room first. A model that was used a moment ago does not leave for another one: two of
them would only take turns; the load waits instead.

No model leaves in vain: without any one of those that leave, the aim would be missed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mme.memory.amount import Amount

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mme.memory.policy import Candidate
    from mme.memory.readings import Reading

LEAST_FREE_TASKS = 16
FREE_TASKS_SHARE = 0.05
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Watermarks:
    """Shares of the memory, and how long a use protects a model from leaving for another."""

    high: float
    low: float
    settle_s: float


@dataclass(frozen=True, slots=True)
class Stock:
    """Both readings, with what is promised and less what is leaving."""

    bytes: Reading
    tasks: Reading


@dataclass(frozen=True, slots=True)
class Decision:
    """Which models leave, and whether what was asked for fits once they have."""

    leave: tuple[Candidate, ...]
    fits: bool


def most_tasks(limit: int) -> tuple[int, int]:
    """The high and the low watermark for tasks: how many may be used.

    At least 16 stay free, or 5 % of the limit if that is more; below the low mark twice as many.
    """
    free = max(LEAST_FREE_TASKS, int(FREE_TASKS_SHARE * limit))
    return limit - free, limit - 2 * free


def is_short(stock: Stock, marks: Watermarks) -> bool:
    """Whether more is used than shall be, of either."""
    return (
        stock.bytes.used > marks.high * stock.bytes.limit
        or stock.tasks.used > most_tasks(stock.tasks.limit)[0]
    )


def in_words(stock: Stock, marks: Watermarks) -> str:
    """What is short, and down to where models leave."""
    used, limit = stock.bytes.used, stock.bytes.limit
    if used > marks.high * limit:
        high, low = int(marks.high * limit) // MIB, int(marks.low * limit) // MIB
        return (
            f"{used // MIB} of {limit // MIB} MiB are used, more than {high};"
            f" models leave until it is {low}"
        )
    most = most_tasks(stock.tasks.limit)[0]
    return f"{stock.tasks.used} of {stock.tasks.limit} tasks are used, more than {most}"


def relieve(
    stock: Stock, marks: Watermarks, in_order: Sequence[Candidate]
) -> tuple[Candidate, ...]:
    """Which models leave because there is too little as it is; `in_order`: least valuable first.

    If all of them are too few, all that help leave.
    """
    high_tasks, low_tasks = most_tasks(stock.tasks.limit)
    excess_bytes = excess_tasks = 0
    if stock.bytes.used > marks.high * stock.bytes.limit:
        excess_bytes = stock.bytes.used - int(marks.low * stock.bytes.limit)
    if stock.tasks.used > high_tasks:
        excess_tasks = stock.tasks.used - low_tasks
    return _enough(in_order, Amount(excess_bytes, excess_tasks))[0]


def make_room(
    stock: Stock, marks: Watermarks, needed: Amount, in_order: Iterable[Candidate], now_s: float
) -> Decision:
    """Which models leave so that what is needed stays below the high watermarks.

    If not enough may leave now, none does. What is not needed is not looked at: a load that takes
    no tasks need not wait for some.
    """
    excess_bytes = excess_tasks = 0
    if needed.bytes > 0:
        excess_bytes = stock.bytes.used + needed.bytes - int(marks.high * stock.bytes.limit)
    if needed.tasks > 0:
        excess_tasks = stock.tasks.used + needed.tasks - most_tasks(stock.tasks.limit)[0]
    settled = [each for each in in_order if now_s - each.last_used_s >= marks.settle_s]
    leave, is_enough = _enough(settled, Amount(excess_bytes, excess_tasks))
    return Decision(leave, fits=True) if is_enough else Decision((), fits=False)


def _enough(in_order: Sequence[Candidate], excess: Amount) -> tuple[tuple[Candidate, ...], bool]:
    """The first ones that free the excess together, and whether they do."""
    left_bytes, left_tasks = excess.bytes, excess.tasks
    leave: list[Candidate] = []
    for each in in_order:
        if left_bytes <= 0 and left_tasks <= 0:
            break
        if (left_bytes > 0 and each.own_bytes > 0) or (left_tasks > 0 and each.tasks > 0):
            leave.append(each)
            left_bytes -= each.own_bytes
            left_tasks -= each.tasks
    if left_bytes > 0 or left_tasks > 0:
        return tuple(leave), False
    # A large one taken late may make smaller ones taken before it needless: the most valuable stay.
    needed: list[Candidate] = []
    for each in reversed(leave):
        if left_bytes + each.own_bytes <= 0 and left_tasks + each.tasks <= 0:
            left_bytes += each.own_bytes
            left_tasks += each.tasks
        else:
            needed.append(each)
    return tuple(reversed(needed)), True
