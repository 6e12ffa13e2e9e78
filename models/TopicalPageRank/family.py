"""The family TopicalPageRank: loading and training. See the package for what is where."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, cast

import numpy as np

from models.errors import ArtifactError
from models.language.pipelines import NoPipelineError, pipeline
from models.params import read_params
from models.serving import Request
from models.TopicalPageRank.lda import Lda
from models.TopicalPageRank.mapping import map_lda
from models.TopicalPageRank.model import TopicalPageRankModel
from models.TopicalPageRank.params import PKE, parse_params

if TYPE_CHECKING:
    from pathlib import Path

    from models.serving import Lessons, LoadedModel, Material, Progress


class TopicalPageRank:
    """Keyphrases of a text."""

    name = "TopicalPageRank"

    def load(self, model_dir: Path, scratch: Path | None = None) -> LoadedModel:
        """Read parameters, map topics, get the language's pipeline; raises ArtifactError."""
        raw = read_params(model_dir, self.name)
        params = parse_params(raw)
        try:
            nlp = pipeline(params.language, params.spacy_pipeline)
        except NoPipelineError as error:
            raise ArtifactError(raw.file, str(error)) from error
        lda = map_lda(model_dir / f"{self.name}-model", scratch)
        if params.engine == PKE:
            # Imported here: pke is not installed by default.
            engine = importlib.import_module("models.TopicalPageRank.pke_engine")
            return TopicalPageRankModel(params, lda, nlp, engine.PkeEngine(params, lda, raw.file))
        return TopicalPageRankModel(params, lda, nlp)

    def rehearse(self, model_dir: Path, scratch: Path) -> Request:
        """A text of two sentences under two topics of three words."""
        params = {"language": "de", "grammar": "NP: {<ADJ>*<NOUN|PROPN>+}", "window": 10,
                  "normalization": "None", "max_count": 5, "n_topics": 2}  # fmt: skip
        (model_dir / f"{self.name}-params.json").write_text(json.dumps(params))
        model = model_dir / f"{self.name}-model"
        model.touch()
        topics = np.array([[2.0, 1.0, 0.5], [0.5, 1.0, 2.0]])
        index = {"steuer": 0, "strom": 1, "impfstoff": 2}
        map_lda(model, scratch, lambda: Lda(index, topics, topics / 4, topics.sum(axis=1), 0.5))
        text = "Die neue Steuer auf Strom gilt ab 2024. Der Impfstoff wirkt nicht gegen Corona!"
        return Request("text/plain", None, text.encode())

    def train(self, material: Material, output_dir: Path, progress: Progress) -> Lessons:
        """Learn topics from the column `title`; see `train`."""
        # Imported here: training brings scikit-learn, which no worker needs.
        trainer = importlib.import_module("models.TopicalPageRank.train")
        return cast("Lessons", trainer.train(material, output_dir, progress))


FAMILY = TopicalPageRank()
