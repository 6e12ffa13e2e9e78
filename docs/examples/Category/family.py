"""The family Category: loading, training and a rehearsal."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, cast

import numpy as np

from models.Category.centroids import BUCKETS, Centroids, WordReader, map_centroids, write_centroids
from models.Category.model import CategoryModel
from models.params import read_params
from models.serving import Request

if TYPE_CHECKING:
    from pathlib import Path

    from models.serving import Lessons, LoadedModel, Material, Progress

DEFAULT_MAX_CHARS = 1_000_000


class Category:
    """The category of a text."""

    name = "Category"

    def load(self, model_dir: Path, scratch: Path | None = None) -> LoadedModel:
        """Read parameters and map the centroids; raises ArtifactError."""
        params = read_params(model_dir, self.name)
        max_chars = params.whole_number("max_chars", DEFAULT_MAX_CHARS)
        max_count = params.whole_number("max_count", 3, maximum=1000)
        reader = WordReader(params)
        centroids = map_centroids(model_dir / f"{self.name}-model", scratch)
        return CategoryModel(reader, centroids, max_chars, max_count)

    def rehearse(self, model_dir: Path, scratch: Path) -> Request:
        """Two categories, and a text of one of them."""
        (model_dir / f"{self.name}-params.json").write_text(json.dumps({"language": "en"}))
        directions = np.zeros((2, BUCKETS), np.float32)
        directions[0, 0] = directions[1, 1] = 1
        made = Centroids(("climate", "health"), np.ones(BUCKETS, np.float32), directions)
        write_centroids(model_dir / f"{self.name}-model", made)
        map_centroids(model_dir / f"{self.name}-model", scratch)
        return Request("application/json", None, b'{"text": "Vaccines are safe"}')

    def train(self, material: Material, output_dir: Path, progress: Progress) -> Lessons:
        """Learn from the columns `title`, `claim_text` and `category`; see `train`."""
        # Imported here: a worker needs nothing of it.
        trainer = importlib.import_module("models.Category.train")
        return cast("Lessons", trainer.train(material, output_dir, progress))


FAMILY = Category()
