"""A handler for the contract of the model server: it does what a file and a body say."""

from __future__ import annotations

import os
import threading
from pathlib import Path


def handle(data, context):
    if data is None:
        _load(Path(str(context.system_properties.get("model_dir"))))
        return None
    context.set_response_content_type(0, "text/plain")
    return [_answer(item["body"]) for item in data]


def _load(folder: Path) -> None:
    told = folder / "start"
    match told.read_text() if told.exists() else "":
        case "fails":
            raise ValueError("it is not one of ours")
        case "no room":
            raise MemoryError
        case "hangs":
            threading.Event().wait()


def _answer(body: bytes) -> bytes:
    if body == b"die":
        os._exit(1)
    return b"ok m %d" % len(body)
