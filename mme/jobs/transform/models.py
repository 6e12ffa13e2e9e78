"""From the name of a created model to where its artifacts are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mme.endpoints.definitions import MODEL, found
from mme.endpoints.refusals import containers_in

if TYPE_CHECKING:
    from mme.endpoints.containers import Containers
    from mme.endpoints.records import Records


def created_model(records: Records, name: str) -> Containers:
    """The containers of a model. Raises ControlPlaneError."""
    return containers_in(found(records, MODEL, name).content)
