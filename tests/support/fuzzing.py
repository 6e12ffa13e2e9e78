"""Fuzzing with hypothesis for a span of time instead of a number of examples.

`MME_FUZZ_S` says for how long each target runs: a second where it is not set, as in the tests of a
change; `make fuzz` sets it. A failure is shrunk and printed as hypothesis does it.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import hypothesis

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = 200
SECONDS = float(os.environ.get("MME_FUZZ_S") or 1.0)


def fuzz(check: Callable[..., None], *strategies: hypothesis.strategies.SearchStrategy) -> int:
    """Call `check` with drawn arguments until the time is over; returns how often it was called."""
    calls = 0

    def counted(drawn: tuple[object, ...]) -> None:
        nonlocal calls
        calls += 1
        check(*drawn)

    until_s = time.monotonic() + SECONDS
    round_number = int(time.time())
    while True:
        settings = hypothesis.settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        hypothesis.seed(round_number)(
            settings(hypothesis.given(hypothesis.strategies.tuples(*strategies))(counted))
        )()
        if time.monotonic() > until_s:
            return calls
        round_number += 1
