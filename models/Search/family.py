"""The family Search: loading and training. See the package for what is where."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, cast

from models.encoding.encoders import NoEncoderError
from models.errors import ArtifactError, shorten
from models.params import read_params
from models.Search.asking_model import AskingSearchModel
from models.Search.far_encoder import ENCODER, AskedEncoder
from models.Search.index_file import map_index
from models.Search.meaning import Meaning
from models.Search.meaning_file import FILE, map_vectors
from models.Search.miniature import write_miniature
from models.Search.model import SearchModel
from models.Search.params import parse_params
from models.serving import Request

if TYPE_CHECKING:
    from pathlib import Path

    from models.Search.meaning_file import DocumentVectors
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
        meaning = None
        if params.embedding_target is not None:
            vectors = _vectors(model_dir / FILE, scratch, ENCODER, len(index))
            return AskingSearchModel(
                params, index, vectors, AskedEncoder(params.embedding_target, vectors)
            )
        if params.embedding is not None:
            meaning = _meaning(model_dir / FILE, scratch, params.embedding, len(index), raw.file)
        return SearchModel(params, index, meaning)

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


def _meaning(
    path: Path, scratch: Path | None, embedding: str, n_documents: int, params_file: str
) -> Meaning:
    vectors = _vectors(path, scratch, embedding, n_documents)
    try:
        return Meaning(vectors)
    except NoEncoderError as error:
        raise ArtifactError(params_file, str(error)) from error


def _vectors(path: Path, scratch: Path | None, maker: str, n_documents: int) -> DocumentVectors:
    vectors = map_vectors(path, scratch, n_documents)
    if vectors.encoder != maker:
        raise ArtifactError(path, f"was made by {shorten(vectors.encoder)}, not by {maker}")
    return vectors


FAMILY = Search()
