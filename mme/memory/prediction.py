"""What starting a worker for one model will take: the only guess of it that there is.

A model in the pool needs no guess, since its admission has measured it.
"""

from __future__ import annotations

from mme.memory.amount import Amount

MIB = 1024 * 1024
WORKER_BYTES = 4 * MIB
"""What a worker takes for itself, whatever its model."""
LAUNCHER_BYTES = MIB // 8
FRONT_END_BYTES = MIB // 2
"""What the front end's threads and buffers for one worker come to."""
WORKER_TASKS = 8
"""The worker, its launcher, and the front end's threads for both."""


def predicted(known_bytes: int | None, unpacked_bytes: int) -> Amount:
    """What a worker of its own takes for an artifact of that size on disk.

    As it was last time (`known_bytes`); else all of the artifact is expected in memory, which is
    too much where the worker maps it.
    """
    if known_bytes is not None:
        return Amount(known_bytes, WORKER_TASKS)
    return Amount(WORKER_BYTES + unpacked_bytes, WORKER_TASKS)
