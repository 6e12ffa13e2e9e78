"""What counts as something that happened to a model, and what is only a caller's mistake."""

from __future__ import annotations

import pytest

from mme.core.errors import ArtifactRejected, ModelFailed, TargetNotFound
from mme.residency.observed import Observed


@pytest.mark.parametrize(
    "error", [ArtifactRejected("s3://b/m", "it is cut off"), ModelFailed("m", 500, "it is hollow")]
)
def test_an_artifact_that_cannot_be_brought_in_is_an_event_with_its_reason(error):
    observed = Observed()
    observed.load_failed("m", error, serves=False)
    [event] = observed.events.latest(limit=10)
    assert (event.kind, event.target) == ("load_failed", "m")
    assert error.message in event.message


def test_a_name_that_is_no_model_is_no_event():
    observed = Observed()
    observed.load_failed("m", TargetNotFound("m", "s3://b/m"), serves=False)
    assert observed.events.latest(limit=10) == []


def test_a_version_that_is_gone_while_another_serves_is_an_event():
    observed = Observed()
    observed.load_failed("m", TargetNotFound("m", "s3://b/m"), serves=True)
    assert [event.kind for event in observed.events.latest(limit=10)] == ["update_failed"]
