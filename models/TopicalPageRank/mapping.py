"""A topic model as mapped arrays: pke's gzipped pickle is converted once, then only mapped.

Weights are kept word by word, so that a request touches the pages of its own words only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.errors import ArtifactError
from models.mapped.folder import Mapped, check_may_convert, mapped
from models.mapped.vocabulary import MappedVocabulary, vocabulary_arrays
from models.TopicalPageRank.lda import Lda
from models.TopicalPageRank.model_file import read_lda

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FORM = "TopicalPageRank.v1"


def map_lda(path: Path, scratch: Path | None, read: Callable[[], Lda] | None = None) -> Lda:
    """The topic model at `path`, mapped if there is a scratch folder. Raises ArtifactError.

    `read` makes it where it has not been converted yet; by default from pke's file.
    """

    def read_now() -> Lda:
        return read() if read is not None else read_lda(path)

    def build() -> Mapped:
        lda = read_now()
        try:
            arrays = vocabulary_arrays(lda.word_index)
        except ValueError as error:
            raise ArtifactError(path, str(error)) from error
        arrays |= {
            "components": lda.components.T,
            "exp_dirichlet": lda.exp_dirichlet.T,
            "topic_totals": lda.topic_totals,
        }
        return Mapped(arrays, {"doc_topic_prior": lda.doc_topic_prior})

    if scratch is None:
        check_may_convert(path)
        return read_now()
    content = mapped(scratch, [path] if path.exists() else [], FORM, build)
    return Lda(
        word_index=MappedVocabulary(content.arrays),
        components=content.arrays["components"].T,
        exp_dirichlet=content.arrays["exp_dirichlet"].T,
        topic_totals=content.arrays["topic_totals"],
        doc_topic_prior=content.facts["doc_topic_prior"],
    )
