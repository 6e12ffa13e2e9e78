"""An encoder that is another artifact: a model of the family Embedding, by the target it is in.

Where that model is in this process, in training and evaluation, `ModelEncoder` asks it. At an
endpoint it is in another worker: `AskedEncoder` says what is to be asked (`models.elsewhere`) and
has the vectors for as long as the request takes. Vectors are compared only with those of the very
model that made them in training: it is known by its fingerprint, which it checks when it is asked.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np

from models.bodies import parse_json, to_json
from models.elsewhere import Ask, Needed
from models.errors import ArtifactError, BadInput, ServingError, shorten
from models.Search.trials import foreign_claims
from models.tensors import TensorModel, texts_tensor

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from models.elsewhere import Told
    from models.Search.meaning_file import DocumentVectors
    from models.serving import LoadedModel

    Floats = NDArray[np.float32]

ENCODER = "target"
"""What is kept beside vectors in place of an encoder's name."""
STEP = "embedding"
TEXT, TEXTS, EMBEDDING, EMBEDDINGS = "text", "texts", "embedding", "embeddings"
QUERY, PASSAGE = "query", "passage"
FINGERPRINT = "fingerprint"
CONFLICT = 409
"""The status of an answer by another model than the one that is meant."""
FALLBACK_LANGUAGE = "en"
LEAST_DEVIATION = 0.001
ANSWER_BYTES = 4 * 1024 * 1024
"""An answer is smaller; what one model may tell another is limited."""
BYTES_A_NUMBER = 17
BLANK = "-"
"""Stands for a text without any letter, which embedding models refuse."""


class EncoderFailed(ServingError):
    """The embedding model gave no vectors that can be used."""


class ModelEncoder:
    """A loaded Embedding model as an encoder. Raises ArtifactError where it is none."""

    def __init__(self, model: LoadedModel, target: str) -> None:
        told = model.describe()
        fingerprint, dimensions = told.get(FINGERPRINT), told.get("dimensions")
        if (
            not isinstance(model, TensorModel)
            or not isinstance(fingerprint, str)
            or not isinstance(dimensions, int)
        ):
            raise ArtifactError(target, f"is of the family {told.get('family')}, not Embedding")
        self._model = model
        self.version = fingerprint
        self.dimensions = dimensions
        self.deviation = LEAST_DEVIATION

    def queries(self, texts: Sequence[str]) -> Floats:
        """See Encoder."""
        return self._encoded(texts, QUERY)

    def passages(self, texts: Sequence[str]) -> Floats:
        """See Encoder."""
        return self._encoded(texts, PASSAGE)

    def learn_deviation(self, language: str) -> None:
        """Take the one of cosines of claims with others that have nothing in common with them.

        For the encoders of `models.encoding` that comes to 0.9 to 1.0 of what is known of them.
        """
        texts = foreign_claims(language) or foreign_claims(FALLBACK_LANGUAGE)
        cosines = self.queries(texts) @ self.passages(texts).T
        others = cosines[~np.eye(len(texts), dtype=bool)].reshape(len(texts), -1)
        self.deviation = max(round(float(others.std(axis=1).mean()), 4), LEAST_DEVIATION)

    def _encoded(self, texts: Sequence[str], kind: str) -> Floats:
        given = {TEXT: texts_tensor(map(_usable, texts))}
        found = self._model.infer(given, {"input_type": kind}, [EMBEDDING])
        return _of_length_one(np.asarray(found[EMBEDDING], np.float32))


class AskedEncoder:
    """The encoder of vectors that a target model made. Not for several threads."""

    def __init__(self, target: str, vectors: DocumentVectors) -> None:
        self.target = target
        self.version = vectors.version
        self.dimensions = len(vectors.mean)
        self.deviation = vectors.deviation or LEAST_DEVIATION
        self._here: ModelEncoder | None = None
        self._known: dict[str, Floats] = {}

    def queries(self, texts: Sequence[str]) -> Floats:
        """See Encoder. Raises Needed for texts whose vectors are not at hand."""
        if self._here is not None:
            return self._here.queries(texts)
        if not all(map(self.has, texts)):
            raise self.needed(texts)
        return np.array([self._known[_usable(text)] for text in texts])

    passages = queries

    @property
    def is_here(self) -> bool:
        """Whether it asks a model in this process."""
        return self._here is not None

    def has(self, text: str) -> bool:
        """Whether a text's vector is at hand."""
        return _usable(text) in self._known

    def needed(self, texts: Sequence[str]) -> Needed:
        """What is to be asked. Raises BadInput for more texts than may be asked at once."""
        most = max(1, ANSWER_BYTES // (BYTES_A_NUMBER * self.dimensions))
        if len(texts) > most:
            raise BadInput(
                f"{len(texts)} claims would have to be encoded by {self.target}, which encodes"
                f" {most} of a request at most"
            )
        wanted = {TEXTS: [*map(_usable, texts)], "input_type": QUERY, FINGERPRINT: self.version}
        return Needed(Ask(STEP, self.target, to_json(wanted)))

    def use(self, model: LoadedModel) -> None:
        """Ask a model in this process from now on. Raises ArtifactError if it is another one."""
        found = ModelEncoder(model, self.target)
        if found.version != self.version:
            raise ArtifactError(
                self.target,
                f"is the model {found.version}, and the vectors were made by {self.version}: train"
                " the index anew",
            )
        self._here = found

    @contextlib.contextmanager
    def told(self, answers: Sequence[Told]) -> Iterator[None]:
        """Have the vectors of an answer for the time of the block. Raises EncoderFailed."""
        try:
            for each in answers:
                self._known |= self._read(each)
            yield
        finally:
            self._known = {}

    def _read(self, told: Told) -> dict[str, Floats]:
        """The vectors of the texts that were asked for."""
        if told.failure is not None:
            advice = ": train the index anew" if told.status == CONFLICT else ""
            raise EncoderFailed(f"{STEP}: {told.failure}{advice}")
        texts = parse_json(told.ask.body)[TEXTS]
        try:
            said = parse_json(told.body)
            with np.errstate(over="ignore"):
                vectors = np.array(said[EMBEDDINGS], np.float32)
        except (BadInput, KeyError, TypeError, ValueError, OverflowError) as error:
            raise EncoderFailed(
                f"{STEP}: {self.target} gave no vectors: {shorten(told.body)}"
            ) from error
        if vectors.shape != (len(texts), self.dimensions) or not np.isfinite(vectors).all():
            raise EncoderFailed(
                f"{STEP}: {self.target} gave {_shown(vectors)} for {len(texts)} texts; the index"
                f" has vectors of {self.dimensions}: train it anew"
            )
        return dict(zip(texts, _of_length_one(vectors), strict=True))


def _shown(vectors: NDArray[Any]) -> str:
    if not np.isfinite(vectors).all():
        return "numbers that are not finite"
    return f"numbers of the shape {vectors.shape}"


def _usable(text: str) -> str:
    text = text.replace("\0", " ")
    return text if text.strip() else BLANK


def _of_length_one(vectors: Floats) -> Floats:
    # The squares of numbers of 32 bits may have no place in 32 bits.
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), np.float32)
