"""Training: the vectors of documents and their passages, by an encoder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from models.encoding.encoders import encode_passages, installed_version
from models.encoding.passages import passages_of
from models.Search.meaning_file import pack

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from models.Search.meaning_file import DocumentVectors
    from models.Search.trials import Trial
    from models.serving import Progress

    Floats = NDArray[np.float32]


class DocumentEncoder:
    """Encodes documents, and the same once more where a part of them is left out."""

    def __init__(self, name: str, progress: Progress) -> None:
        """Raises NoEncoderError."""
        # In training all cores may be used; the encoder looks when it is loaded. Threads that wait
        # are to sleep: others may need the cores.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        os.environ.setdefault("OMP_NUM_THREADS", str(len(os.sched_getaffinity(0))))
        self._name = name
        self._version = installed_version(name)
        self._progress = progress

    def encode(self, documents: Iterable[tuple[str, str]], title: str) -> list[Floats]:
        """The vectors of each document's passages. A document is given as title and text."""
        of_documents = [passages_of(*document) for document in documents]
        passages = [passage for each in of_documents for passage in each]
        with self._progress(len(passages), "passage", f"Search: {title}") as bar:
            vectors = encode_passages(self._name, passages, bar.update)
        found, start = [], 0
        for each in of_documents:
            found.append(vectors[start : start + len(each)])
            start += len(each)
        return found

    def without(self, vectors: Sequence[Floats], trials: dict[int, Trial]) -> list[Floats]:
        """The same vectors, but those of the trials' documents as these are without the claims."""
        left = self.encode(
            [(trial.title, trial.text) for trial in trials.values()], "encoding trials"
        )
        replaced = dict(zip(trials, left, strict=True))
        return [replaced.get(row, each) for row, each in enumerate(vectors)]

    def pack(self, vectors: Sequence[Floats]) -> DocumentVectors:
        """As an artifact has them."""
        return pack(self._name, self._version, vectors)
