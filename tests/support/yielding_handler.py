"""A handler that yields, and goes on when the test says so, through a pipe that the body names.

Body: the path of a FIFO. The first piece comes at once; then each word that is written into the
FIFO is a piece, but for `die`, `fail` and `end`.
"""

from __future__ import annotations

import os
from pathlib import Path


def handle(data, context):
    if data is None:
        return None
    context.set_response_content_type(0, "text/plain")
    context.set_response_header(0, "x-amzn-sagemaker-custom-attributes", "yields")
    return [_pieces(Path(bytes(data[0]["body"]).decode()))]


def _pieces(fifo: Path):
    yield b"first"
    with fifo.open() as words:
        for line in words:
            match line.strip():
                case "die":
                    os._exit(1)
                case "fail":
                    raise RuntimeError("it was told to")
                case "end":
                    return
                case word:
                    yield word.encode()
