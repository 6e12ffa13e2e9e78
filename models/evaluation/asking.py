"""Evaluating a trained artifact as its users will meet it: loaded, and asked by requests.

A family that can be evaluated has a module `evaluate` beside its `family`, with a function
`evaluate(model, sets, progress)` that asks the model and returns for each set it can answer what it
measured, by name of the set. Families without one are not evaluated. A model need not be in this
process: of a `LoadedModel` only `predict` and `describe` are used.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from models.elsewhere import AskingModel
from models.evaluation.results import rounded
from models.media import JSON
from models.registry import FAMILIES, load_model
from models.serving import Request

if TYPE_CHECKING:
    from pathlib import Path

    from models.evaluation.results import Evaluated
    from models.evaluation.sets import EvaluationSets
    from models.serving import LoadedModel, Progress

    Results = dict[str, Evaluated]


def evaluate(
    family: str,
    model_dir: Path,
    scratch: Path,
    sets: EvaluationSets,
    progress: Progress,
    *,
    other: Path | None = None,
) -> Results:
    """What the artifact in `model_dir` answers to each set that its family can answer.

    `other` is the artifact of the target model that it asks, if it asks one. Raises
    ServingError where the artifact cannot be loaded or a text is refused.
    """
    if not can_evaluate(family):
        return {}
    model = load_model(model_dir, scratch)
    if isinstance(model, AskingModel) and other is not None:
        model.ask_here(lambda _: load_model(other))
    return examine(family, model, sets, progress)


def can_evaluate(family: str) -> bool:
    """Whether the family has a module `evaluate`."""
    return importlib.util.find_spec(_module(family)) is not None


def examine(family: str, model: LoadedModel, sets: EvaluationSets, progress: Progress) -> Results:
    """What a model of the family answers to each set that the family can answer."""
    found = importlib.import_module(_module(family)).evaluate(model, sets, progress)
    return {
        name: replace(each, measures=rounded(each.measures))
        for name, each in cast("Results", found).items()
    }


def _module(family: str) -> str:
    return f"{FAMILIES[family].rpartition('.')[0]}.evaluate"


def ask(model: LoadedModel, question: object) -> Any:
    """The model's answer to a JSON object, as JSON."""
    body = json.dumps(question, ensure_ascii=False).encode()
    return json.loads(model.predict(Request(JSON, JSON, body)).body)
