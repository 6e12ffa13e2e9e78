"""What is to be trained: the switches, each family's input and its parameters.

Reads `models/models_to_be_trained.json`, `models/<Family>/inputData.json` and
`models/<Family>/<Family>-params.json`; every fault is a TrainingError that names file and key.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.registry import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SWITCHES = "models_to_be_trained.json"


class TrainingError(RuntimeError):
    """Training cannot start or go on; the message names what is wrong and where."""


@dataclass(frozen=True, slots=True)
class Job:
    """One family to train: its parameters, and where the CSV is that they name."""

    family: str
    params: Mapping[str, object]
    corpus_uri: str
    """A folder, `s3://bucket/prefix`, or the CSV itself."""
    corpus_name: str


def make_plan(models_dir: Path, wanted: Sequence[str] = ()) -> list[Job]:
    """The jobs switched on, or just the `wanted` families, in the order of the switches."""
    switches = _read(models_dir / SWITCHES)
    unknown = [name for name in (*switches, *wanted) if name not in FAMILIES]
    if unknown:
        raise TrainingError(
            f"{', '.join(unknown)}: no such model family; there are {', '.join(FAMILIES)}"
        )
    chosen = list(wanted) or [name for name, on in switches.items() if _is_on(name, on)]
    return [_job(models_dir / name, name) for name in chosen]


def _is_on(name: str, switch: object) -> bool:
    if not isinstance(switch, bool):
        raise TrainingError(f"{SWITCHES}: {name} is {switch!r}; write true or false")
    return switch


def _job(folder: Path, family: str) -> Job:
    params_file, input_file = folder / f"{family}-params.json", folder / "inputData.json"
    params, inputs = _read(params_file), _read(input_file)
    training = inputs.get("Training")
    uri = training.get("Uri") if isinstance(training, dict) else None
    if not isinstance(uri, str) or not uri:
        raise TrainingError(
            f'{input_file} must read {{"Training": {{"Uri": "s3://... or a path"}}}}'
        )
    name = params.get("train_df", "")
    if not isinstance(name, str) or (not name and not uri.endswith(".csv")):
        raise TrainingError(f"{params_file}: train_df must name the CSV in {uri}")
    return Job(family, params, uri, name)


def _read(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainingError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise TrainingError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise TrainingError(f"{path} must hold a JSON object")
    return content
