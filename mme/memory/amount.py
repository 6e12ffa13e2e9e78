"""What something takes of the two things that run out: bytes of memory and kernel tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Amount:
    """Bytes of memory and tasks (processes and threads, as the kernel counts them)."""

    bytes: int = 0
    tasks: int = 0


def total(amounts: Iterable[Amount]) -> Amount:
    """All of them together."""
    in_bytes = in_tasks = 0
    for amount in amounts:
        in_bytes += amount.bytes
        in_tasks += amount.tasks
    return Amount(in_bytes, in_tasks)
