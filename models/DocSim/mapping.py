"""Word vectors as mapped arrays: gensim's files are converted once, then only mapped.

Vectors that gensim keeps in a float32 file of their own are mapped where they are; everything else
goes into the model's scratch folder.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import numpy as np

from models.DocSim.vectors import WordVectors, read_vectors
from models.errors import ArtifactError
from models.mapped.folder import Mapped, check_may_convert, mapped
from models.mapped.npy import map_matrix
from models.mapped.vocabulary import MappedVocabulary, vocabulary_arrays

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

FORM = "DocSim.v1"


def map_vectors(
    path: Path, scratch: Path | None, read: Callable[[], WordVectors] | None = None
) -> WordVectors:
    """The word vectors at `path`, mapped if there is a scratch folder. Raises ArtifactError.

    `read` makes them where they have not been converted yet; by default from gensim's files.
    """

    def read_now() -> WordVectors:
        return read() if read is not None else read_vectors(path)

    def build() -> Mapped:
        vectors = read_now()
        try:
            arrays = vocabulary_arrays(vectors.index)
        except ValueError as error:
            raise ArtifactError(path, str(error)) from error
        if isinstance(vectors.vectors, np.memmap):
            beside = str(vectors.vectors.filename).rsplit("/", 1)[-1]
            with contextlib.suppress(OSError, ValueError):  # float64, for one
                map_matrix(path.with_name(beside))
                return Mapped(arrays, {"vectors_in": beside})
        return Mapped(arrays | {"vectors": vectors.vectors}, {})

    if scratch is None:
        check_may_convert(path)
        return read_now()
    content = mapped(scratch, _sources(path), FORM, build)
    beside = content.facts.get("vectors_in")
    vectors = content.arrays["vectors"] if beside is None else _beside(path.with_name(beside))
    return WordVectors(MappedVocabulary(content.arrays), vectors)


def _beside(path: Path) -> NDArray[np.float32]:
    try:
        return map_matrix(path)
    except (OSError, ValueError) as error:
        raise ArtifactError(path, str(error)) from error


def _sources(path: Path) -> list[Path]:
    """The model and the files gensim may keep beside it."""
    if not path.exists():
        return []
    # Not by glob: each worker would compile the pattern anew, in memory of its own.
    beside = (each for each in path.parent.iterdir() if each.name.startswith(f"{path.name}."))
    return [path, *sorted(beside)]
