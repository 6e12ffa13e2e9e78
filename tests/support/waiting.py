"""Waiting for what another process does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Found = TypeVar("Found")
PERIOD_S = 0.05


def eventually(
    look: Callable[[], Found], is_it: Callable[[Found], bool], timeout_s: float = 30.0
) -> Found:
    """What `look` finds, once that is as it should be; fails after `timeout_s`."""
    deadline_s = time.monotonic() + timeout_s
    while not is_it(found := look()):
        assert time.monotonic() < deadline_s, f"not within {timeout_s:g} s: {found}"
        time.sleep(PERIOD_S)
    return found
