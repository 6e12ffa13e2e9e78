"""Requests and a clock for tests of what only decides: plain things, nothing behind them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(eq=False)
class Item:
    """A request as dispatch sees it."""

    model: str
    is_own: bool = False
    is_heavy: bool = False
    pipeline: str | None = None


@dataclass
class Clock:
    """Stands still until it is moved."""

    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s
