"""Which of its three lives the endpoint leads, and on which port: read from the environment.

Pure. What SageMaker tells an endpoint is read here and nowhere else (a training job's is read in
`mme.training.container`); our own variables (`MME_*`) are in the settings. A second port, for which
SageMaker names a range, is not needed: all else is Unix sockets. What each mode is made of is in
the modules named after them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MULTI_MODEL = "SAGEMAKER_MULTI_MODEL"
BIND_TO_PORT = "SAGEMAKER_BIND_TO_PORT"
MODEL_DIR = Path("/opt/ml/model")
DEFAULT_PORT = 8080
LAST_PORT = 65535


class Mode(Enum):
    """Who downloads, loads and unloads models."""

    MULTI_MODEL = "multi-model container"
    """The platform does."""
    SINGLE_MODEL = "single-model container"
    """Nobody: there is one model and it stays loaded."""
    STANDALONE = "standalone endpoint"
    """We do."""


class PlatformError(ValueError):
    """A variable of the platform that cannot be used; the message names it and its value."""


@dataclass(frozen=True, slots=True)
class Platform:
    """What the platform wants of a container."""

    mode: Mode
    port: int
    """The public port; standalone endpoints take theirs from the settings."""
    model_dir: Path = MODEL_DIR
    """Where the one model of a single-model container is."""


def read_platform(environ: Mapping[str, str], model_dir: Path = MODEL_DIR) -> Platform:
    """Choose the mode; a folder with the one model counts only if nobody asks for many.

    Raises PlatformError.
    """
    if environ.get(MULTI_MODEL, "").strip().lower() == "true":
        mode = Mode.MULTI_MODEL
    elif model_dir.is_dir():
        mode = Mode.SINGLE_MODEL
    else:
        mode = Mode.STANDALONE
    return Platform(mode, _port(environ), model_dir)


def public_port(environ: Mapping[str, str]) -> int:
    """The port requests come to in the mode `environ` asks for; for those who look from inside."""
    platform = read_platform(environ)
    if platform.mode is Mode.STANDALONE:
        return int(environ.get("MME_PORT") or DEFAULT_PORT)
    return platform.port


def _port(environ: Mapping[str, str]) -> int:
    text = environ.get(BIND_TO_PORT, "").strip() or str(DEFAULT_PORT)
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 0 < int(text) <= LAST_PORT:
        raise PlatformError(f"{BIND_TO_PORT}={text!r} is not a port from 1 to {LAST_PORT}")
    return int(text)
