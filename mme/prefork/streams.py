"""A worker's output streams as the model server looks for them, and why it finds nothing there.

The server's own workers move their output to two FIFOs; ours leave it on the launcher's pipes.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any

STREAM_ENDINGS = ("-stdout", "-stderr")


def quiet_streams(message: dict[str, Any], tmp_dir: str) -> list[str]:
    """Give the front end two empty files where it looks for the worker's output.

    It opens `CHANNEL-stdout` and `-stderr` when the model is loaded and reads each in a thread of
    its own; at the end of an empty file that thread ends, at a FIFO's it would stay.
    """
    channel = message.get("ioFileDescriptor")
    if channel is None:
        return []
    paths = [f"{tmp_dir}/{channel.decode()}{ending}" for ending in STREAM_ENDINGS]
    for path in paths:
        with contextlib.suppress(FileExistsError):
            # A detour that names us, so that a link left behind can be told from one in use.
            os.symlink(f"/proc/{os.getpid()}/../../dev/null", path)  # noqa: PTH211
    return paths


def remove_streams_of(pid: int, tmp_dir: str) -> None:
    """Remove what `quiet_streams` of a dead worker left behind, if it had no time to."""
    for name in os.listdir(tmp_dir):  # noqa: PTH208
        path = f"{tmp_dir}/{name}"
        if name.endswith(STREAM_ENDINGS):
            with contextlib.suppress(OSError):
                if os.readlink(path).startswith(f"/proc/{pid}/"):  # noqa: PTH115
                    os.unlink(path)  # noqa: PTH108
