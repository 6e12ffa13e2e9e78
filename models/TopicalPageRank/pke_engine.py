"""The engine `pke`: candidates and ranks by pke itself, where it is installed (extra `mme[pke]`).

It serves to check this project's numbers, and users who must have pke's own. pke's licence is the
GPL, so it is in no default installation, and it is imported only for an artifact whose parameters
say `"engine": "pke"`. It gets the same sentences as the other engine. It gets the topics as arrays,
because pke's own loader unpickles whatever a file holds.
"""

from __future__ import annotations

import importlib
import logging
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from models.errors import ArtifactError, BadInput
from models.TopicalPageRank.params import STEMS

if TYPE_CHECKING:
    from models.TopicalPageRank.lda import Lda
    from models.TopicalPageRank.params import TopicalPageRankParams
    from models.TopicalPageRank.ranking import Sentences

log = logging.getLogger(__name__)


class PkeEngine:
    """Ranks by one artifact's parameters and topics."""

    def __init__(self, params: TopicalPageRankParams, lda: Lda, file: str) -> None:
        """Import pke; ArtifactError, naming `file`, where it is not installed."""
        try:
            self._pke: Any = importlib.import_module("pke.unsupervised")
            learned: Any = importlib.import_module("sklearn.decomposition")
        except ImportError as error:
            raise ArtifactError(
                file,
                "engine 'pke' needs pke, which is not installed here"
                f" ({error}): pip install 'mme[pke]', or use engine 'numpy'",
            ) from error
        self._params = params
        model = learned.LatentDirichletAllocation()
        model.components_ = np.ascontiguousarray(lda.components)
        model.exp_dirichlet_component_ = np.ascontiguousarray(lda.exp_dirichlet)
        model.doc_topic_prior_ = lda.doc_topic_prior
        words = sorted(lda.word_index, key=lda.word_index.__getitem__)
        self._topics = (words, model)

    def rank(self, sentences: Sentences) -> list[tuple[str, float]]:
        """All candidate phrases with their scores, best first.

        Raises BadInput where pke fails, for example if the model knows no word of the text.
        """
        params = self._params
        extractor = self._pke.TopicalPageRank()
        extractor.load_document(
            input=[list(sentence) for sentence in sentences],
            language=params.language,
            stoplist=list(params.stop_words),
            normalization=STEMS if params.normalization == STEMS else None,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pke warns of stop words that are no tokens to it
            try:
                extractor.candidate_selection(grammar=params.grammar.text)
                extractor.candidate_weighting(
                    window=params.window,
                    pos=set(params.graph_tags),
                    lda_model=self._topics,
                    normalized=params.normalized,
                )
            except (ValueError, KeyError, ZeroDivisionError) as error:
                log.info("pke failed", exc_info=True)
                raise BadInput(
                    f"pke cannot rank this text ({type(error).__name__}: {error}); the engine"
                    " 'numpy' can"
                ) from error
        found = extractor.get_n_best(n=len(extractor.candidates))
        return [(phrase, float(score)) for phrase, score in found]
