"""A handler for tests: a request may tell it to end its process, or to load no more."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

UNLOADABLE = Path("/tmp/unloadable")


def handle(data: list[dict[str, Any]] | None, context: Any) -> list[str] | None:
    del context
    if data is None:
        if UNLOADABLE.exists():
            raise ValueError("it was told to load no more")
        return None
    body = bytes(data[0].get("body") or b"")
    if body == b"load no more":
        UNLOADABLE.touch()
    if body == b"die":
        os._exit(1)
    return ['["alive"]']
