"""The surfaces of a standalone endpoint that show what it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mme.app.modes import Mode
from mme.core.version import VERSION
from mme.gateway.logs import Logs
from mme.gateway.seeing import Seeing

if TYPE_CHECKING:
    from mme.gateway.routing import Route
    from mme.residency.store_models import StoreModels


def seeing_routes(models: StoreModels) -> list[Route]:
    """The routes of all of them."""
    facts: dict[str, object] = {"mode": Mode.STANDALONE.value, "version": VERSION}
    return [*Seeing(models, facts).routes(), *Logs().routes()]
