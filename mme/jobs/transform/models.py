"""From the name of a created model to where its artifacts are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mme.endpoints.definitions import MODEL, found
from mme.endpoints.refusals import source_in
from mme.jobs.transform.job import ModelPlace

if TYPE_CHECKING:
    from mme.endpoints.records import Records


def created_model(records: Records, name: str) -> ModelPlace:
    """The place of a model. Raises ControlPlaneError."""
    source = source_in(found(records, MODEL, name).content)
    return ModelPlace(source.uri, is_multi=source.is_multi)
