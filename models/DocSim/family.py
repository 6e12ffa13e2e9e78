"""The family DocSim: loading and training. See the package for what is where."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from models.DocSim.model import DocSimModel
from models.DocSim.params import parse_params
from models.DocSim.vectors import read_vectors
from models.params import read_params

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from models.serving import LoadedModel, Progress


class DocSim:
    """Similarity of two texts."""

    name = "DocSim"

    def accepts(self, model_dir: Path) -> bool:
        """Whether the artifact has this family's parameters."""
        return (model_dir / f"{self.name}-params.json").is_file()

    def load(self, model_dir: Path) -> LoadedModel:
        """Read parameters and word vectors; raises ArtifactError."""
        params = parse_params(read_params(model_dir, self.name))
        return DocSimModel(params, read_vectors(model_dir / f"{self.name}-model"))

    def train(
        self, corpus: Path, params: Mapping[str, object], output_dir: Path, progress: Progress
    ) -> None:
        """Learn word vectors from the column `claim_text`; see `train`."""
        # Imported here: training brings gensim, which no worker needs.
        importlib.import_module("models.DocSim.train").train(corpus, params, output_dir, progress)


FAMILY = DocSim()
