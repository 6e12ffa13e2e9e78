"""The family Search: loading and training. See the package for what is where."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, cast

from models.errors import ArtifactError, shorten
from models.params import read_params
from models.Search.analysis import Analyser
from models.Search.index_file import map_index
from models.Search.miniature import write_miniature
from models.Search.model import SearchModel
from models.Search.params import parse_params
from models.Search.ranking import Ranker
from models.serving import Request

if TYPE_CHECKING:
    from pathlib import Path

    from models.serving import Lessons, LoadedModel, Material, Progress


class Search:
    """The documents a claim is about."""

    name = "Search"

    def load(self, model_dir: Path, scratch: Path | None = None) -> LoadedModel:
        """Read parameters and map the index; raises ArtifactError."""
        raw = read_params(model_dir, self.name)
        params = parse_params(raw)
        index = map_index(model_dir / f"{self.name}-model", scratch)
        for column in params.fields or ():
            if column not in index.columns:
                raise ArtifactError(
                    raw.file, f"fields asks for {shorten(column)}, which is no column"
                )
        ranker = Ranker(index, Analyser(params.language, params.stop_words), params.weights)
        return SearchModel(params, index, ranker)

    def rehearse(self, model_dir: Path, scratch: Path) -> Request:
        """Two documents, searched."""
        (model_dir / f"{self.name}-params.json").write_text(json.dumps({"language": "de"}))
        model = model_dir / f"{self.name}-model"
        write_miniature(model)
        map_index(model, scratch)
        return Request("application/json", None, b'{"claim": "Die Impfstoffe!", "top_k": 2}')

    def train(self, material: Material, output_dir: Path, progress: Progress) -> Lessons:
        """Index the columns `title` and `claim_text`; see `train`."""
        # Imported here: training brings SciPy and scikit-learn, which no worker needs.
        trainer = importlib.import_module("models.Search.train")
        return cast("Lessons", trainer.train(material, output_dir, progress))


FAMILY = Search()
