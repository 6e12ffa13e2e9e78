"""A Search model whose encoder is another target model: claims are encoded there before.

Which claims are to be encoded is known from their terms. Their vectors are asked for all at once,
and the request is answered from the beginning with them at hand (`models.elsewhere`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.Search.meaning import KEPT_CLAIMS, Meaning, beginning
from models.Search.model import SearchModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager

    from models.elsewhere import Told
    from models.Search.far_encoder import AskedEncoder
    from models.Search.index_file import Index
    from models.Search.meaning_file import DocumentVectors
    from models.Search.params import SearchParams
    from models.serving import LoadedModel


class AskingSearchModel(SearchModel):
    """See AskingModel."""

    def __init__(
        self, params: SearchParams, index: Index, vectors: DocumentVectors, encoder: AskedEncoder
    ) -> None:
        self._near = Meaning(vectors, encoder)
        super().__init__(params, index, self._near)
        self._encoder = encoder

    @property
    def targets(self) -> Sequence[str]:
        """The one that encodes."""
        return (self._encoder.target,)

    def told(self, answers: Sequence[Told]) -> AbstractContextManager[None]:
        """See AskingModel. Raises EncoderFailed."""
        return self._encoder.told(answers)

    def ask_here(self, load: Callable[[str], LoadedModel]) -> None:
        """See AskingModel. Raises ArtifactError for another model than the one in training."""
        self._encoder.use(load(self._encoder.target))

    def describe(self) -> dict[str, object]:
        """Whom it asks, besides."""
        encoder = self._encoder
        said = {
            "target": encoder.target,
            "fingerprint": encoder.version,
            "dimensions": encoder.dimensions,
        }
        return {**super().describe(), "embedding": said, "targets": [*self.targets]}

    def _prepared(self, claims: Sequence[str], count: int) -> Iterable[str]:
        """Raises Needed, BadInput."""
        cleaned = [*super()._prepared(claims, count)]
        if self._encoder.is_here:
            return cleaned
        # Of many claims the last could push out what is kept of the first.
        may_be_kept = len(cleaned) <= KEPT_CLAIMS // 2
        missing: dict[str, None] = {}
        for claim in cleaned:
            begin = beginning(claim)
            if begin in missing or self._encoder.has(begin):
                continue
            if not (may_be_kept and self._near.keeps(begin)):
                missing |= {begin: None} if self._ranker.will_encode(claim, count) else {}
        if missing:
            raise self._encoder.needed([*missing])
        return cleaned
