"""The family Embedding: loading. See the package for what is where."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from models.Embedding.engines import make_engine
from models.Embedding.miniature import write_miniature
from models.Embedding.model import EmbeddingModel
from models.Embedding.params import FAMILY as NAME
from models.Embedding.params import PARAMS_FILE, parse_params
from models.errors import ArtifactError
from models.params import read_params
from models.serving import Request

if TYPE_CHECKING:
    from pathlib import Path

    from models.serving import LoadedModel, Material, Progress


class Embedding:
    """Vectors of texts."""

    name = NAME

    def load(self, model_dir: Path, scratch: Path | None = None) -> LoadedModel:
        """Read parameters and tokenizer, map the weights; raises ArtifactError."""
        params = parse_params(read_params(model_dir, self.name))
        return EmbeddingModel(params, make_engine(model_dir, scratch, params))

    def rehearse(self, model_dir: Path, scratch: Path) -> Request:  # noqa: ARG002 - as all families
        """A model of five words."""
        write_miniature(model_dir)
        return Request("text/plain", None, b"tax on electricity")

    def train(self, material: Material, output_dir: Path, progress: Progress) -> NoReturn:  # noqa: ARG002
        """Nothing is learnt here: artifacts are made by `mme export`."""
        raise ArtifactError(PARAMS_FILE, "artifacts of Embedding are made by mme export")


FAMILY = Embedding()
