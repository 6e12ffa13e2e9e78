"""Evaluating a trained artifact as its users will meet it: loaded, and asked by requests.

A family that can be evaluated has a module `evaluate` beside its `family`, with a function
`evaluate(model, sets, progress)` that asks the loaded model and returns for each set it can answer
the measures by name. Families without one are not evaluated.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
from typing import TYPE_CHECKING, Any, cast

from models.media import JSON
from models.registry import FAMILIES, load_model
from models.serving import Request

if TYPE_CHECKING:
    from pathlib import Path

    from models.evaluation.sets import EvaluationSets
    from models.serving import LoadedModel, Progress

    Measured = dict[str, dict[str, float]]


def evaluate(
    family: str, model_dir: Path, scratch: Path, sets: EvaluationSets, progress: Progress
) -> Measured:
    """The measures of the artifact in `model_dir` on each set that its family can answer.

    Raises ServingError where the artifact cannot be loaded or a text is refused.
    """
    module = f"{FAMILIES[family].rpartition('.')[0]}.evaluate"
    if importlib.util.find_spec(module) is None:
        return {}
    model = load_model(model_dir, scratch)
    measured = importlib.import_module(module).evaluate(model, sets, progress)
    return {
        name: {measure: round(value, 4) for measure, value in found.items()}
        for name, found in cast("Measured", measured).items()
    }


def ask(model: LoadedModel, question: object) -> Any:
    """The model's answer to a JSON object, as JSON."""
    body = json.dumps(question, ensure_ascii=False).encode()
    return json.loads(model.predict(Request(JSON, JSON, body)).body)
