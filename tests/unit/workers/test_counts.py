"""Where a request's time went, with an answer or without."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from mme.core.door import Answer
from mme.core.timing import Timing
from mme.workers.counts import note_times


def times(*, started_s=None, waits_for_start=False, load_s=0.0, own_load_s=0.0, answered=True):
    """Of a request that came at 10 s and ended at 15 s."""
    request = SimpleNamespace(
        came_at_s=10.0, started_at_s=started_s, waits_for_start=waits_for_start, together=1
    )
    answer = Answer(200, {}, b"", load_s) if answered else None
    timing = Timing()
    note_times(timing, cast("Any", request), answer, 15.0, own_load_s)
    return timing.queue_s, timing.load_s, timing.model_s


def test_an_answered_request_waited_loaded_and_computed():
    assert times(started_s=11.0, load_s=0.5) == (1.0, 0.5, 3.5)


def test_a_process_that_was_started_for_it_is_loading_and_not_waiting():
    assert times(started_s=13.0, waits_for_start=True, own_load_s=2.0) == (1.0, 2.0, 2.0)


@pytest.mark.parametrize(("started_s", "expected"), [(None, (5.0, 0, 0)), (12.0, (2.0, 0, 3.0))])
def test_one_without_an_answer_was_where_it_was_until_its_end(started_s, expected):
    assert times(started_s=started_s, answered=False) == expected
