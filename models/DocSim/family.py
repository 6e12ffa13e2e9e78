"""The family DocSim: loading and training. See the package for what is where."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, cast

import numpy as np

from models.DocSim.documents import FIELDS_FILE, VECTORS_FILE, map_documents
from models.DocSim.mapping import map_vectors
from models.DocSim.model import DocSimModel
from models.DocSim.params import parse_params
from models.DocSim.tagging import TAXONOMY_FILE, load_tagger
from models.DocSim.texts import TextReader
from models.DocSim.vectors import WordVectors
from models.params import read_params
from models.serving import Request

if TYPE_CHECKING:
    from pathlib import Path

    from models.serving import Lessons, LoadedModel, Material, Progress


class DocSim:
    """Similarity of two texts."""

    name = "DocSim"

    def load(self, model_dir: Path, scratch: Path | None = None) -> LoadedModel:
        """Read parameters and map word vectors; raises ArtifactError."""
        params = parse_params(read_params(model_dir, self.name))
        vectors = map_vectors(model_dir / f"{self.name}-model", scratch)
        reader = TextReader(params, vectors)
        documents = map_documents(model_dir, scratch, vectors.vectors.shape[1])
        tagger = load_tagger(model_dir, scratch, reader, vectors, params.max_chars)
        return DocSimModel(params, vectors, reader, documents, tagger)

    def rehearse(self, model_dir: Path, scratch: Path) -> Request:
        """Two words, compared, with a document and a taxonomy beside them."""
        params = {"language": "de", "vector_size": 2, "min_count": 1, "epochs": 1}
        (model_dir / f"{self.name}-params.json").write_text(json.dumps(params))
        model = model_dir / f"{self.name}-model"
        model.touch()
        vectors = np.array([[1.0, 0.5], [0.5, 1.0]], np.float32)
        map_vectors(model, scratch, lambda: WordVectors({"impfstoff": 0, "erbgut": 1}, vectors))
        np.save(model_dir / VECTORS_FILE, vectors[:1] / np.linalg.norm(vectors[0]))
        (model_dir / FIELDS_FILE).write_text("{}\n")
        taxonomy = {"similarity-threshold": 0.5, "Thema": {"Impfung": ["Impfstoff"]}}
        (model_dir / TAXONOMY_FILE).write_text(json.dumps(taxonomy))
        return Request("text/csv", None, b'"Impfstoff, CO2","Das Erbgut"\n')

    def train(self, material: Material, output_dir: Path, progress: Progress) -> Lessons:
        """Learn word vectors from the column `claim_text`; see `train`."""
        # Imported here: training brings gensim, which no worker needs.
        trainer = importlib.import_module("models.DocSim.train")
        return cast("Lessons", trainer.train(material, output_dir, progress))


FAMILY = DocSim()
