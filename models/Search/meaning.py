"""How near documents are to a claim in meaning, by an encoder's vectors.

A document is as near as the mean of two cosines: of all its passages, and of the nearest one. What
a cosine is worth depends on the encoder, the claim and the corpus, so it is given as a standard
score: how many standard deviations it is above the mean of the corpus's documents for this claim.
In a large corpus the signs of the numbers choose which documents are looked at closely.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.encoding.encoders import NoEncoderError, encoder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.encoding.encoders import Encoder
    from models.Search.meaning_file import DocumentVectors

LARGE_CORPUS = 8192
"""With more passages than this, signs come first."""
CLOSELY = 2048
"""So many passages are then looked at closely."""
SAMPLE = 1024
"""Mean and deviation are of so many documents, spread over the corpus."""
USUAL_DOCUMENTS = 10
"""For so many documents counts what deviation is usual with the encoder."""
MAX_CLAIM_BYTES = 600
"""Of a longer claim only so much is encoded: a third of a second, where letters are Latin."""
KEPT_CLAIMS = 256
AT_ONCE, SIGNS_AT_ONCE = 512, 1 << 16
"""Documents, and passages by their signs, that are compared at a time."""


def beginning(claim: str) -> str:
    """What is encoded of a claim."""
    return claim[:MAX_CLAIM_BYTES].encode()[:MAX_CLAIM_BYTES].decode(errors="ignore")


@dataclass(frozen=True, slots=True)
class Nearness:
    """A claim's vector, and what cosines with it are usual in the corpus."""

    vector: NDArray[np.float32]
    mean: float
    deviation: float

    def standings(self, cosines: NDArray[np.float32]) -> NDArray[np.float32]:
        """The standard scores of cosines with the claim."""
        return (cosines - np.float32(self.mean)) / np.float32(self.deviation)


class Meaning:
    """The vectors of documents, with their encoder. Not for several threads."""

    def __init__(self, vectors: DocumentVectors, chosen: Encoder | None = None) -> None:
        """Without an encoder the one that the vectors name is loaded.

        Raises NoEncoderError, also where the encoder makes vectors of another size.
        """
        self._vectors = vectors
        self._encoder = encoder(vectors.encoder) if chosen is None else chosen
        if len(vectors.mean) != self._encoder.dimensions:
            raise NoEncoderError(
                f"{vectors.encoder} makes vectors of {self._encoder.dimensions} numbers here, the"
                f" artifact has some of {len(vectors.mean)}: train it anew"
            )
        step = max(1, len(vectors) // SAMPLE)
        self._sample = np.arange(0, len(vectors), step)
        self._kept: OrderedDict[str, Nearness] = OrderedDict()

    def keeps(self, begin: str) -> bool:
        """Whether claims of this beginning were asked lately; they are the last of these then."""
        if begin not in self._kept:
            return False
        self._kept.move_to_end(begin)
        return True

    def read(self, claim: str) -> Nearness:
        """Encode a claim. What was asked lately is kept."""
        claim = beginning(claim)
        if (known := self._kept.get(claim)) is not None:
            self._kept.move_to_end(claim)
            return known
        vector = self._encoder.queries([claim])[0]
        usual = self.cosines(vector, self._sample)
        found = self._kept[claim] = Nearness(vector, float(usual.mean()), self._deviation(usual))
        if len(self._kept) > KEPT_CLAIMS:
            self._kept.popitem(last=False)
        return found

    def _deviation(self, usual: NDArray[np.float32]) -> float:
        """The standard deviation of cosines, drawn to what is usual where they are few."""
        count, typical = len(usual), self._encoder.deviation
        variance = count * float(usual.var()) + USUAL_DOCUMENTS * typical**2
        return math.sqrt(variance / (count + USUAL_DOCUMENTS))

    def nearest(self, near: Nearness, count: int) -> NDArray[np.intp]:
        """The rows of about the `count` documents that are nearest, in no order."""
        if len(self._vectors.vectors) > LARGE_CORPUS:
            rows = self._alike(near, max(CLOSELY, count))
        else:
            rows = np.arange(len(self._vectors))
        if len(rows) <= count:
            return rows
        cosines = self.cosines(near.vector, rows)
        return rows[np.argpartition(-cosines, count - 1)[:count]]

    def _alike(self, near: Nearness, count: int) -> NDArray[np.intp]:
        """The rows of documents that have one of the `count` passages with the likest signs."""
        ours = np.packbits(near.vector > self._vectors.mean)
        signs = self._vectors.signs
        differing = np.concatenate(
            [
                np.bitwise_count(signs[start : start + SIGNS_AT_ONCE] ^ ours).sum(
                    axis=1, dtype=np.int32
                )
                for start in range(0, len(signs), SIGNS_AT_ONCE)
            ]
        )
        chosen = np.argpartition(differing, count - 1)[:count]
        return np.unique(np.searchsorted(self._vectors.starts, chosen, side="right") - 1)

    def cosines(self, vector: NDArray[np.float32], rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """How near some documents are to a claim's vector."""
        parts = (rows[start : start + AT_ONCE] for start in range(0, len(rows), AT_ONCE))
        found = [self._few_cosines(vector, part) for part in parts]
        return np.concatenate(found) if found else np.zeros(0, np.float32)

    def _few_cosines(
        self, vector: NDArray[np.float32], rows: NDArray[np.intp]
    ) -> NDArray[np.float32]:
        kept = self._vectors
        counts = kept.starts[rows + 1] - kept.starts[rows]
        firsts = np.cumsum(counts) - counts
        places = np.repeat(kept.starts[rows] - firsts, counts) + np.arange(int(counts.sum()))
        cosines = kept.scales[places] * (kept.vectors[places].astype(np.float32) @ vector)
        cosines += kept.mean @ vector
        of_all = np.add.reduceat(cosines, firsts) / (counts * kept.lengths[rows])
        return np.asarray((of_all + np.maximum.reduceat(cosines, firsts)) / 2, np.float32)
