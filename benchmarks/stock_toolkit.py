"""The handler of a container with the SageMaker inference toolkit, on stock Multi Model Server.

As the serving containers have it: the toolkit's own service, with the artifact's `code/` on the
path.
"""

from __future__ import annotations

import sys
from typing import Any

from sagemaker_inference.default_handler_service import DefaultHandlerService

_service = DefaultHandlerService()


def handle(data: list[dict[str, Any]] | None, context: Any) -> Any:
    """Import the artifact's code and load its model, then answer requests."""
    if data is None:
        sys.path.insert(0, f"{context.system_properties['model_dir']}/code")
        _service.initialize(context)
        return None
    return _service.handle(data, context)
