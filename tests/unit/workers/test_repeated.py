"""Background work is done again and again, whatever becomes of one time."""

from __future__ import annotations

import asyncio
import logging

from mme.workers.rhythm import repeated


async def test_what_fails_goes_on_and_the_first_failure_of_a_row_is_logged(caplog):
    outcomes = [None, OSError("first"), OSError("second"), None, ValueError("third"), None]
    is_over = asyncio.Event()

    async def step() -> None:
        if not outcomes:
            is_over.set()
        elif (outcome := outcomes.pop(0)) is not None:
            raise outcome

    with caplog.at_level(logging.ERROR):
        work = asyncio.create_task(repeated(0.0, step))
        await asyncio.wait_for(is_over.wait(), 5)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
    assert [str(record.exc_info[1]) for record in caplog.records] == ["first", "third"]
