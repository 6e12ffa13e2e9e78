"""What is kept of targets that do not come in."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mme.core.errors import ArtifactRejected, TargetNotFound
from mme.core.timing import Timing
from mme.residency.observed import Observed

if TYPE_CHECKING:
    import pytest


def test_an_artifact_that_was_refused_is_an_event_and_the_last_error_of_its_target():
    observed, error = Observed(), ArtifactRejected("s3://b/cut.tar.gz", "it is cut off")
    observed.load_failed("cut.tar.gz", error, serves=False)
    observed.failed("cut.tar.gz", error, 0.1, Timing(), was_here=False)
    (event,) = observed.events.after(0, limit=10)
    assert (event.kind, event.target) == ("load_failed", "cut.tar.gz")
    assert "it is cut off" in event.message
    happened = observed.history.of("cut.tar.gz")
    assert happened is not None
    assert "it is cut off" in happened.error


def test_a_name_that_the_store_does_not_have_is_only_logged(caplog: pytest.LogCaptureFixture):
    observed, error = Observed(), TargetNotFound("no.tar.gz", "s3://b/no.tar.gz")
    with caplog.at_level(logging.WARNING, "mme.residency.observed"):
        observed.load_failed("no.tar.gz", error, serves=False)
    observed.failed("no.tar.gz", error, 0.1, Timing(), was_here=False)
    assert observed.events.after(0, limit=10) == []
    assert observed.history.of("no.tar.gz") is None
    assert "cannot bring in no.tar.gz" in caplog.text
