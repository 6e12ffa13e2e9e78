"""A handler in the manner of the system this one replaces: everything is loaded per request.

The libraries are imported by each model's own process; the language pipeline and the artifact are
read anew for every request. The arithmetic is this project's, so only the way of serving differs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gensim  # noqa: F401 - the process pays for it, as it did
import spacy  # noqa: F401

from models.language.pipelines import built_in
from models.registry import load_model
from models.serving import Request


def handle(data: list[dict[str, Any]] | None, context: Any) -> list[str | bytes] | None:
    """Answer each request of the batch with a model loaded for it."""
    if data is None:
        return None
    answers: list[str | bytes] = []
    for item in data:
        built_in.cache_clear()
        model = load_model(Path(context.system_properties["model_dir"]))
        kind = "text/csv" if "DocSim" in str(model.describe()["family"]) else "text/plain"
        answers.append(model.predict(Request(kind, None, bytes(item["body"]))).body)
    return answers or [json.dumps([])]
