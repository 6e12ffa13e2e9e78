"""The file `Search-embedding`: vectors of the documents' passages by an encoder.

They are kept in a byte a number, after the mean of all is taken off, since what all documents share
tells none from another. As with the index, kinds and sizes are checked at every load and contents
when the artifact is admitted. What the vectors are used for is for `meaning`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from models.errors import ArtifactError, shorten
from models.mapped.folder import Mapped, mapped, write
from models.Search.index_check import is_rising, is_within
from models.Search.index_file import check_kinds, read_mapped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

FILE = "Search-embedding"
FORM = "Search.embedding.v1"
MAX_DIMENSIONS = 8192
STEPS = 127
LEAST_LENGTH = 0.01
LARGEST_NUMBER = 2
"""Vectors have length 1: so do their mean and what is left of them, or less than twice that."""
_ARRAYS = {
    "mean": ("f4", 1),
    "vectors": ("i1", 2),
    "scales": ("f4", 1),
    "starts": ("i8", 1),
    "lengths": ("f4", 1),
    "signs": ("u1", 2),
}


@dataclass(frozen=True, slots=True)
class DocumentVectors:
    """The vectors of document d's passages are those from starts[d] to starts[d + 1].

    A vector is `mean + vectors[i] * scales[i]`. *Shapes*: mean (n,), vectors (passages, n), scales
    (passages,), starts (documents + 1,), lengths (documents,), signs (passages, n / 8, rounded up).
    """

    encoder: str
    version: str
    """The encoder's, in training."""
    deviation: float | None
    """What an encoder that is no package says of itself; see `Encoder`."""
    mean: NDArray[np.float32]
    vectors: NDArray[np.int8]
    scales: NDArray[np.float32]
    starts: NDArray[np.int64]
    lengths: NDArray[np.float32]
    """Of the mean of each document's vectors."""
    signs: NDArray[np.uint8]
    """A bit for each number, set if it is above 0."""

    def __len__(self) -> int:
        return len(self.starts) - 1


def pack(
    encoder: str,
    version: str,
    of_documents: Sequence[NDArray[np.float32]],
    deviation: float | None = None,
) -> DocumentVectors:
    """The vectors of documents. *Shape* of each: (passages, n)."""
    vectors = np.concatenate(of_documents)
    mean = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    left = vectors - mean
    scales = np.maximum(np.abs(left).max(axis=1), np.float32(1e-9)) / np.float32(STEPS)
    return DocumentVectors(
        encoder=encoder,
        version=version,
        deviation=deviation,
        mean=mean,
        vectors=np.rint(left / scales[:, None]).astype(np.int8),
        scales=scales.astype(np.float32),
        starts=np.cumsum([0, *map(len, of_documents)], dtype=np.int64),
        lengths=np.array(
            [max(np.linalg.norm(each.mean(axis=0)), LEAST_LENGTH) for each in of_documents],
            np.float32,
        ),
        signs=np.packbits(left > 0, axis=1),
    )


def write_vectors(path: Path, vectors: DocumentVectors) -> None:
    """Write them; the same values give the same bytes."""
    facts: dict[str, object] = {"form": FORM, "encoder": vectors.encoder}
    facts["version"] = vectors.version
    if vectors.deviation is not None:
        facts["deviation"] = vectors.deviation
    write(path, Mapped({name: getattr(vectors, name) for name in _ARRAYS}, facts))


def map_vectors(path: Path, scratch: Path | None, n_documents: int) -> DocumentVectors:
    """The vectors at `path`, mapped, of so many documents. Raises ArtifactError."""
    content = read_mapped(path)
    vectors = _shaped(content, path, n_documents)

    def check() -> Mapped:
        if fault := _fault(content.arrays):
            raise ArtifactError(path, fault)
        return Mapped({"checked": np.zeros(0, np.uint8)}, {})

    mapped(scratch, [path], FORM, check)
    return vectors


def _shaped(content: Mapped, path: Path, n_documents: int) -> DocumentVectors:
    arrays, facts = content.arrays, content.facts
    if not isinstance(facts, dict) or facts.get("form") != FORM:
        raise ArtifactError(path, f"holds no vectors in the form {FORM}")
    check_kinds(path, arrays, _ARRAYS)
    passages, dimensions = arrays["vectors"].shape
    fits = {
        "starts": len(arrays["starts"]) == n_documents + 1,
        "lengths": len(arrays["lengths"]) == n_documents,
        "mean": 0 < len(arrays["mean"]) == dimensions <= MAX_DIMENSIONS,
        "scales": len(arrays["scales"]) == passages,
        "signs": arrays["signs"].shape == (passages, -(-dimensions // 8)),
    }
    if wrong := [name for name, does_fit in fits.items() if not does_fit]:
        raise ArtifactError(path, f"{wrong[0]} does not fit the sizes of the others")
    encoder, version = facts.get("encoder"), facts.get("version")
    if not isinstance(encoder, str) or not isinstance(version, str):
        raise ArtifactError(
            path, f"encoder and version are {shorten([encoder, version])}: no texts"
        )
    deviation = facts.get("deviation")
    if deviation is not None and not (isinstance(deviation, float) and 0 < deviation < 1):
        raise ArtifactError(path, f"deviation is {shorten(deviation)}, no number from 0 to 1")
    return DocumentVectors(encoder, version, deviation, **dict[str, Any](arrays))


def _fault(arrays: Mapping[str, NDArray[Any]]) -> str | None:
    starts = arrays["starts"]
    if starts[0] != 0 or starts[-1] != len(arrays["vectors"]) or not is_rising(starts):
        return f"starts does not rise from 0 to {len(arrays['vectors'])}"
    if not bool((np.diff(starts) > 0).all()):
        return "starts leaves a document without a vector"
    for name in ("mean", "scales"):
        if not is_within(arrays[name], -LARGEST_NUMBER, LARGEST_NUMBER):
            return f"{name} holds numbers outside -{LARGEST_NUMBER} to {LARGEST_NUMBER}"
    if not is_within(arrays["lengths"], LEAST_LENGTH / 2, LARGEST_NUMBER):
        return f"lengths holds numbers outside {LEAST_LENGTH} to {LARGEST_NUMBER}"
    return None
