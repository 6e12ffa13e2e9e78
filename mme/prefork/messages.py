"""The front end's side of the worker protocol: the messages a worker is sent.

The other side is the package `mms` itself (`mms.protocol.otf_message_handler`, which also describes
the frames). All integers are four bytes, big endian; -1 ends a list.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

END = struct.pack("!i", -1)
NO_GPU = -1
REQUEST_ID = b"00000000-0000-0000-0000-000000000000"


def load_message(name: str, model_dir: str, handler: str, channel: str) -> bytes:
    """Load the model in `model_dir`; `channel` names the worker's output streams."""
    return b"".join(
        (
            b"L",
            _text(name.encode()),
            _text(model_dir.encode()),
            struct.pack("!i", 1),
            _text(handler.encode()),
            struct.pack("!i", NO_GPU),
            _text(channel.encode()),
        )
    )


def predict_message(headers: Mapping[str, str], body: bytes) -> bytes:
    """One request; its body's type is among the headers."""
    frames = [b"I", _text(REQUEST_ID)]
    for name, value in headers.items():
        frames += [_text(name.encode()), _text(value.encode())]
    body_type = headers.get("Content-Type", "")
    frames += [END, _text(b"body"), _text(body_type.encode()), _text(body), END, END]
    return b"".join(frames)


def _text(content: bytes) -> bytes:
    return struct.pack("!i", len(content)) + content
