"""The family TopicalPageRank: loading and training. See the package for what is where."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from models.errors import ArtifactError
from models.language.pipelines import NoPipelineError, pipeline
from models.params import read_params
from models.TopicalPageRank.model import TopicalPageRankModel
from models.TopicalPageRank.model_file import read_lda
from models.TopicalPageRank.params import parse_params

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from models.serving import LoadedModel, Progress


class TopicalPageRank:
    """Keyphrases of a text."""

    name = "TopicalPageRank"

    def accepts(self, model_dir: Path) -> bool:
        """Whether the artifact has this family's parameters."""
        return (model_dir / f"{self.name}-params.json").is_file()

    def load(self, model_dir: Path) -> LoadedModel:
        """Read parameters, topics and the language's pipeline; raises ArtifactError."""
        raw = read_params(model_dir, self.name)
        params = parse_params(raw)
        try:
            nlp = pipeline(params.language, params.spacy_pipeline)
        except NoPipelineError as error:
            raise ArtifactError(raw.file, str(error)) from error
        return TopicalPageRankModel(params, read_lda(model_dir / f"{self.name}-model"), nlp)

    def train(
        self, corpus: Path, params: Mapping[str, object], output_dir: Path, progress: Progress
    ) -> None:
        """Learn topics from the column `title`; see `train`."""
        # Imported here: training brings scikit-learn, which no worker needs.
        importlib.import_module("models.TopicalPageRank.train").train(
            corpus, params, output_dir, progress
        )


FAMILY = TopicalPageRank()
