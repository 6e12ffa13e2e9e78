"""The family Ensemble: loading. See the package for what is where.

An ensemble is not trained: its members are, and `mme ensemble` puts them into one artifact.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from models.elsewhere import AskingModel
from models.Ensemble.definition import FILE
from models.Ensemble.graph import check_kinds, in_order
from models.Ensemble.model import EnsembleModel
from models.Ensemble.reading import read_definition
from models.errors import ArtifactError
from models.registry import load_model
from models.serving import Request

if TYPE_CHECKING:
    from pathlib import Path

    from models.serving import Lessons, LoadedModel, Material, Progress

NO_MEMBERS = (FILE, "code/inference.py")
"""What tells that a folder is no member: further ensembles, and code, which its own rules hold."""
NO_CODE = "a member is a model of data, no ensemble or code of its own"


class Ensemble:
    """Several models, asked one after the other."""

    name = "Ensemble"

    def load(self, model_dir: Path, scratch: Path | None = None) -> LoadedModel:
        """Read the graph, check it, load the members; raises ArtifactError."""
        definition = read_definition(model_dir)
        order = in_order(definition)
        for member in definition.members:
            _check_member(model_dir / member, member)
        members = {
            member: _load(model_dir / member, scratch and scratch / member, member)
            for member in definition.members
        }
        check_kinds(definition, order, members)
        return EnsembleModel(definition, order, members)

    def rehearse(self, model_dir: Path, scratch: Path) -> Request:  # noqa: ARG002 - it has no member
        """Two steps without a model."""
        said = {
            "inputs": {"text": {"type": "string"}},
            "steps": {
                "parts": {"value": [{"text": "$text", "length": 1}]},
                "ranked": {"rank": "$parts", "by": "length"},
            },
            "outputs": {"ranked": {"value": "$ranked"}},
        }
        (model_dir / FILE).write_text(json.dumps(said))
        return Request("application/json", None, b'{"text": "Impfstoff", "trace": true}')

    def train(self, material: Material, output_dir: Path, progress: Progress) -> Lessons:
        """Refuse: there is nothing to learn."""
        raise NotImplementedError("an ensemble is not trained; `mme ensemble` makes one of others")


def _check_member(folder: Path, member: str) -> None:
    if not folder.is_dir() or folder.is_symlink():
        raise ArtifactError(
            FILE, f"a step asks the model {member}, and there is no folder {member}/"
        )
    for file in NO_MEMBERS:
        if (folder / file).exists():
            raise ArtifactError(f"{member}/{file}", NO_CODE)


def _load(folder: Path, scratch: Path | None, member: str) -> LoadedModel:
    try:
        model = load_model(folder, scratch)
    except ArtifactError as error:
        file = member if error.file == folder.name else f"{member}/{error.file}"
        raise ArtifactError(file, error.reason) from error
    if model.needs().is_code:
        raise ArtifactError(member, NO_CODE)
    if isinstance(model, AskingModel):
        raise ArtifactError(
            member,
            f"asks {model.targets[0]}, and a member asks nobody: have a step ask it as a target",
        )
    return model


FAMILY = Ensemble()
