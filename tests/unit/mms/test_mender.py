"""Which of two loads under one name a description is of."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mme.mms.mender import is_another_load

ENDED_AT = datetime(2026, 5, 1, 12, 0, 1, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("workers", "another"),
    [
        ([{"startTime": "2026-05-01T12:00:00.500Z"}], False),
        ([{"startTime": "2026-05-01T12:00:01.001Z"}], True),
        ([], False),
    ],
)
def test_a_load_begun_after_the_end_of_the_one_that_was_watched_is_another(workers, another):
    assert is_another_load({"workers": workers}, ENDED_AT) is another
