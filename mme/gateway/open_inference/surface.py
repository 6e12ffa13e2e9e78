"""All routes of the protocol, in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mme.gateway.open_inference.absent import Absent
from mme.gateway.open_inference.inference import Inference
from mme.gateway.open_inference.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Callable

    from mme.core.settings import Settings
    from mme.endpoints.serving import Serving
    from mme.gateway.open_inference.repository import Engine
    from mme.gateway.routing import Route


def open_inference_routes(
    settings: Settings, engine: Engine, serving: Serving, is_sample: Callable[[str], bool]
) -> list[Route]:
    """The routes; `is_sample` as for `Runtime`."""
    return [
        *Inference(settings, serving, is_sample).routes(),
        *Repository(engine).routes(),
        *Absent().routes(),
    ]
