"""Training: the vectors of documents and their passages, by an encoder or an Embedding artifact."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from models.encoding.encoders import encode_passages, encoder, installed_version
from models.encoding.passages import passages_of
from models.registry import load_model
from models.Search.far_encoder import ENCODER, ModelEncoder
from models.Search.meaning_file import pack

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from models.encoding.encoders import Encoder
    from models.Search.meaning_file import DocumentVectors
    from models.Search.trials import Trial
    from models.serving import Progress

    Floats = NDArray[np.float32]


class DocumentEncoder:
    """Encodes documents, and the same once more where a part of them is left out."""

    def __init__(self, encoder: Encoder, name: str, version: str, progress: Progress) -> None:
        self.encoder = encoder
        self._name = name
        self._version = version
        self._progress = progress

    @classmethod
    def installed(cls, name: str, progress: Progress) -> DocumentEncoder:
        """By an encoder of `models.encoding`. Raises NoEncoderError."""
        # In training all cores may be used; the encoder looks when it is loaded. Threads that wait
        # are to sleep: others may need the cores.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        os.environ.setdefault("OMP_NUM_THREADS", str(len(os.sched_getaffinity(0))))
        return cls(encoder(name), name, installed_version(name), progress)

    @classmethod
    def of_artifact(
        cls, artifact: Path, target: str, language: str, progress: Progress
    ) -> DocumentEncoder:
        """By the Embedding artifact in a folder, which endpoints know as `target`.

        Raises ArtifactError.
        """
        chosen = ModelEncoder(load_model(artifact), target)
        chosen.learn_deviation(language)
        return cls(chosen, ENCODER, chosen.version, progress)

    def encode(self, documents: Iterable[tuple[str, str]], title: str) -> list[Floats]:
        """The vectors of each document's passages. A document is given as title and text."""
        of_documents = [passages_of(*document) for document in documents]
        passages = [passage for each in of_documents for passage in each]
        with self._progress(len(passages), "passage", f"Search: {title}") as bar:
            vectors = encode_passages(self.encoder, passages, bar.update)
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
        deviation = self.encoder.deviation if self._name == ENCODER else None
        return pack(self._name, self._version, vectors, deviation)
