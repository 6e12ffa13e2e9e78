"""From the name of a created model to where its artifacts are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mme.endpoints.definitions import MODEL, container_of, found
from mme.endpoints.model_data import s3_uri
from mme.jobs.transform.job import ModelPlace

if TYPE_CHECKING:
    from mme.endpoints.records import Records

MULTI_MODEL = "MultiModel"


def created_model(records: Records, name: str) -> ModelPlace:
    """The place of a model. Raises ControlPlaneError."""
    container = container_of(found(records, MODEL, name).content)
    uri = s3_uri(container["ModelDataUrl"])
    return ModelPlace(uri, is_multi=container.get("Mode") == MULTI_MODEL)
