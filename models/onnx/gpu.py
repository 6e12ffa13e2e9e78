"""A GPU in place of the processor: when it is tried, and what happens where that fails.

CUDA must not be started in a process that is forked afterwards, and whoever loads a session on a
GPU starts it. So workers do, when they load a model: the template that they are forked from loads
nothing but the miniature, which asks for the processor, and admissions see no GPU. One that cannot
be used costs nothing but speed: the processor computes then, which is said once.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from models.errors import ServingError
from models.onnx import running

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

AUTO = "auto"
"""Whatever computes fastest here."""
CUDA = "CUDAExecutionProvider"
DEVICE = Path("/dev/nvidiactl")
VISIBLE, HIDDEN = "CUDA_VISIBLE_DEVICES", ("", "-1")
"""The variable that lists devices, and what says that there shall be none."""

log = logging.getLogger(__name__)

_has_warned = Event()


def is_wanted(wanted: str, available: Collection[str], *, has_device: bool) -> bool:
    """Whether a GPU shall be tried: by the parameter `provider`, and by what is here.

    `available` are the providers of the library, `has_device` whether this process may open one.
    """
    return wanted == AUTO and CUDA in available and has_device


def can_open(device: Path = DEVICE) -> bool:
    """Whether this process may use a GPU: a confined one sees the device and may not open it."""
    if os.environ.get(VISIBLE) in HIDDEN:
        return False
    try:
        os.close(os.open(device, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def session(wanted: str, make: Callable[[list[str]], Any]) -> Any | None:
    """The session that `make` makes on a GPU; None: there is none, or none that can be used.

    `make` takes providers, the best first, and raises ServingError.
    """
    available = running.library("onnxruntime").get_available_providers()
    # Looked at last: opening it is for those who have the library.
    if not is_wanted(wanted, available, has_device=CUDA in available and can_open()):
        return None
    reason = "the library has not taken it"
    try:
        made = make([CUDA, running.CPU_PROVIDER])
    except ServingError as error:
        reason = error.message
    else:
        # Where CUDA's own libraries are missing nothing is raised, and the processor computes.
        if CUDA in made.get_providers():
            log.info("computing on the GPU")
            return made
    if not _has_warned.is_set():
        _has_warned.set()
        log.warning("cannot compute on the GPU, so the processor does: %s", reason)
    return None
